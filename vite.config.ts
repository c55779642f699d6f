import { svelte } from '@sveltejs/vite-plugin-svelte';
import { resolve } from 'node:path';
import { defineConfig } from 'vite';
import { hostFiles } from './scripts/build/host_files.ts';
import { isolationHeaders } from './scripts/build/isolation_headers.mjs';
import { offlineCopy } from './scripts/build/offline_copy.ts';
import { pageHeaders } from './scripts/build/page_headers.mjs';
import { pagePolicy } from './scripts/build/page_policy.ts';
import { selfContainedWasmThreads } from './scripts/build/self_contained_wasm_threads.ts';
import { serveWeights } from './scripts/build/serve_weights.ts';

export { isolationHeaders };

/** The development server connects to itself, so its policy is the weaker one in the page (see pagePolicy). */
const { 'Content-Security-Policy': _builtOnly, ...developmentHeaders } = pageHeaders;

/** The detector's weights have no extension. Some hosts do not support names that end in a dot. */
const assetFileNames = ({ names }: { names: readonly string[] }): string =>
  /\.\w+$/.test(names[0] ?? '') ? 'assets/[name]-[hash][extname]' : 'assets/[name]-[hash].bin';

export default defineConfig({
  // Relative addresses, so that the built page works from any folder of any static host.
  base: './',
  plugins: [svelte(), serveWeights(), pagePolicy(), hostFiles(), offlineCopy()],
  worker: {
    format: 'es',
    plugins: () => [selfContainedWasmThreads()],
    rollupOptions: { output: { assetFileNames } },
  },
  assetsInclude: ['**/*-shard1', '**/*-shard2'],
  build: {
    target: 'es2023',
    // index.html is the page. terminal.html has the same workers without a user interface, for the terminal front end.
    rollupOptions: {
      input: {
        index: resolve(import.meta.dirname, 'index.html'),
        terminal: resolve(import.meta.dirname, 'terminal.html'),
      },
      output: { assetFileNames },
    },
  },
  server: { headers: developmentHeaders },
  preview: { headers: pageHeaders },
});
