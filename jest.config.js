/** @type {import('jest').Config} */
export default {
  testEnvironment: 'node',
  roots: ['protocol', 'server', 'client', 'web', 'test', 'bench'].map((room) => `<rootDir>/${room}`),
  testMatch: ['**/*.test.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { target: 'es2023', parser: { syntax: 'typescript' } }, module: { type: 'es6' }, sourceMaps: 'inline' },
    ],
  },
  globalSetup: '<rootDir>/test/support/global-setup.js',
  globalTeardown: '<rootDir>/test/support/global-teardown.js',
  // Decides nothing but how long a failing test takes; twice what the longest needs on a machine that others use too.
  testTimeout: 60_000,
  // Most tests wait for events more than they compute: two at once use two cores better than one, and three make deadlines late.
  maxWorkers: 2,
  // Modules of files that are done stay in a worker's memory: beyond this, its collections cost more than a new worker.
  workerIdleMemoryLimit: '700MB',
};
