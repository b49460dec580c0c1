/** The version of this code; a test keeps it equal to package.json, which is not part of the build. */
export const VERSION = '0.1.0';
