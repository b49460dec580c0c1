import js from '@eslint/js';
import tseslint from 'typescript-eslint';

/** Globals that plain JavaScript files may use without an import; the compiler knows those of TypeScript. */
const sharedGlobals = globals(
  ...['console', 'URL', 'URLSearchParams', 'setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'],
  ...['fetch', 'AbortController', 'AbortSignal', 'TextEncoder', 'TextDecoder', 'queueMicrotask', 'structuredClone'],
);
const nodeGlobals = globals('process', 'Buffer', 'setImmediate');
const browserGlobals = globals(
  ...['window', 'document', 'location', 'history', 'navigator', 'localStorage', 'sessionStorage', 'alert', 'confirm'],
  ...['addEventListener', 'removeEventListener', 'requestAnimationFrame', 'cancelAnimationFrame', 'matchMedia'],
  ...['Event', 'CustomEvent', 'MouseEvent', 'KeyboardEvent', 'PointerEvent', 'InputEvent', 'DOMException'],
  ...['Element', 'HTMLElement', 'HTMLInputElement', 'HTMLButtonElement', 'HTMLVideoElement', 'MutationObserver'],
  ...['RTCPeerConnection', 'RTCSessionDescription', 'RTCIceCandidate', 'MediaStream', 'innerWidth', 'innerHeight'],
);

/** @param {string[]} names */
function globals(...names) {
  return /** @type {Record<string, 'readonly'>} */ (Object.fromEntries(names.map((name) => [name, 'readonly'])));
}

export default tseslint.config(
  { ignores: ['dist/**', 'node_modules/**', 'data/**', 'logs/**'] },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      '@typescript-eslint/consistent-type-imports': 'error',
      eqeqeq: 'error',
    },
  },
  {
    // process.env is read in one place, and the process ends in one place: everything else gets its configuration handed in.
    files: ['protocol/**/*.ts', 'server/**/*.ts', 'client/**/*.ts'],
    ignores: ['**/*.test.ts', '**/*.conformance.ts', 'server/config.ts', 'server/main.ts', 'server/*-main.ts'],
    rules: {
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'env', message: 'Only server/config.ts reads the environment.' },
        { object: 'process', property: 'exit', message: 'Only server/main.ts ends the process.' },
      ],
      // The same object under another name.
      'no-restricted-imports': [
        'error',
        ...['node:process', 'process'].map((name) => ({
          name,
          message: 'Only server/config.ts reads the environment, and only server/main.ts ends the process.',
        })),
      ],
      'no-console': 'error',
    },
  },
  { files: ['**/*.js'], languageOptions: { globals: sharedGlobals } },
  { files: ['**/*.js'], ignores: ['examples/*/**'], languageOptions: { globals: nodeGlobals } },
  { files: ['examples/*/**/*.js'], languageOptions: { globals: browserGlobals } },
);
