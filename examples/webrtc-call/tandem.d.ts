/** For editors and the type check. The module itself is made by ../run.js, which knows where the Tandem server is. */
export * from '../../client/index.ts';
export const TANDEM_URL: string;
