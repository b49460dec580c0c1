/** Once after all tests. */
export { removeScratch as default } from './scratch.js';
