import { svelte } from '@sveltejs/vite-plugin-svelte';
import { resolve } from 'node:path';
import { defineConfig, type Plugin } from 'vite';
import { contentSecurityPolicy } from './scripts/content_security_policy.mjs';
import { isolationHeaders } from './scripts/isolation_headers.mjs';
import { selfContainedWasmThreads } from './scripts/self_contained_wasm_threads.ts';
import { serveWeights } from './scripts/serve_weights.ts';

export { isolationHeaders };

/** The development server puts style elements into the page, which its policy forbids in the built one. */
const developmentPolicy: Plugin = {
  name: 'development-policy',
  apply: 'serve',
  transformIndexHtml: (html) => html.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'"),
};

export default defineConfig({
  // Relative addresses: the built page works from any folder of any static host.
  base: './',
  plugins: [svelte(), serveWeights(), developmentPolicy],
  worker: { format: 'es', plugins: () => [selfContainedWasmThreads()] },
  assetsInclude: ['**/*-shard1'],
  build: {
    target: 'es2023',
    // index.html is the page; terminal.html is the same workers without a page, driven by the terminal front end.
    rollupOptions: {
      input: {
        index: resolve(import.meta.dirname, 'index.html'),
        terminal: resolve(import.meta.dirname, 'terminal.html'),
      },
    },
  },
  server: { headers: isolationHeaders },
  preview: { headers: { ...isolationHeaders, 'Content-Security-Policy': contentSecurityPolicy } },
});
