import { svelte } from '@sveltejs/vite-plugin-svelte';
import { resolve } from 'node:path';
import { defineConfig } from 'vite';

/**
 * Cross-origin isolation gives the workers SharedArrayBuffer, and with it the threaded WebAssembly backend where
 * there is no GPU.
 */
export const isolationHeaders = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

export default defineConfig({
  // Relative addresses: the built page works from any folder of any static host.
  base: './',
  plugins: [svelte()],
  worker: { format: 'es' },
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
  preview: { headers: isolationHeaders },
});
