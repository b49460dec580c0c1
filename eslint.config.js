import js from '@eslint/js';
import tseslint from 'typescript-eslint';

/** Node.js globals that plain JavaScript files may use without an import. */
const nodeGlobals = /** @type {Record<string, 'readonly'>} */ (
  Object.fromEntries(
    [
      'process',
      'console',
      'URL',
      'Buffer',
      'setTimeout',
      'clearTimeout',
      'setInterval',
      'clearInterval',
      'setImmediate',
      'performance',
      'fetch',
      'AbortSignal',
    ].map((name) => [name, 'readonly']),
  )
);

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
    files: ['protocol/**/*.ts', 'server/**/*.ts'],
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
  { files: ['**/*.js'], languageOptions: { globals: nodeGlobals } },
);
