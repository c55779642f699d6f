import js from '@eslint/js';
import prettier from 'eslint-config-prettier';
import svelte from 'eslint-plugin-svelte';
import globals from 'globals';
import ts from 'typescript-eslint';
import { importLaw } from './scripts/setup/import_law.mjs';
import svelteConfig from './svelte.config.js';

/** The error of a promise that is not awaited is lost. These rules need the types. */
const promiseRules = {
  '@typescript-eslint/no-floating-promises': 'error',
  '@typescript-eslint/no-misused-promises': 'error',
};

export default ts.config(
  { ignores: ['dist/', 'node_modules/', '.cache/', 'coverage/'] },
  js.configs.recommended,
  ...ts.configs.strict,
  ...svelte.configs.recommended,
  prettier,
  ...svelte.configs.prettier,
  {
    plugins: { house: { rules: { 'import-law': importLaw } } },
    rules: {
      'house/import-law': 'error',
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      'no-undef': 'off',
    },
  },
  {
    files: ['src/**/*.{ts,svelte}', 'src/**/*.svelte.ts'],
    languageOptions: {
      globals: globals.browser,
      parserOptions: { parser: ts.parser, extraFileExtensions: ['.svelte'], svelteConfig },
    },
  },
  {
    // These run unchanged in Node, so they use neither the page nor a worker.
    files: [
      'workers/{common,protocol,evaluation,formats,training}/**/*.ts',
      'workers/compute/{graph,step,engine}/**/*.ts',
    ],
    rules: { 'no-restricted-globals': ['error', 'window', 'document', 'self', 'postMessage'] },
  },
  {
    files: ['workers/**/*.ts'],
    languageOptions: {
      parserOptions: { project: 'tsconfig.workers.json', tsconfigRootDir: import.meta.dirname },
    },
    rules: promiseRules,
  },
  {
    files: ['cli/**/*.ts', 'bench/**/*.ts', 'scripts/**/*.ts'],
    languageOptions: {
      parserOptions: { project: 'tsconfig.node.json', tsconfigRootDir: import.meta.dirname },
    },
    rules: promiseRules,
  },
  {
    files: ['src/**/*.ts'],
    languageOptions: { parserOptions: { project: 'tsconfig.json', tsconfigRootDir: import.meta.dirname } },
    rules: promiseRules,
  },
  { files: ['scripts/**/*.mjs', 'cli/**', 'bench/**', '*.js'], languageOptions: { globals: globals.node } },
);
