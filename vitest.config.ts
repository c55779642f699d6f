import { svelte } from '@sveltejs/vite-plugin-svelte';
import { playwright } from '@vitest/browser-playwright';
import { defineConfig } from 'vitest/config';
import { chromiumArguments, findChromium } from './scripts/setup/chromium.mjs';
import { serveWeights } from './scripts/build/serve_weights.ts';
import { isolationHeaders } from './vite.config.ts';

/**
 * There are three kinds of tests. `unit` tests pure logic in Node. `gpu` tests kernels and TensorFlow.js on real
 * WebGPU in headless Chromium. `e2e` clicks through the built page and drives the terminal front end.
 */
export default defineConfig({
  test: {
    projects: [
      {
        // The page's state classes are also tested in Node, with fake workers.
        plugins: [svelte()],
        test: {
          name: 'unit',
          environment: 'node',
          include: ['test/unit/**/*.test.ts'],
          // Vitest's default is one less than the number of CPU cores, so half of a machine with two cores would be
          // idle.
          maxWorkers: '100%',
          testTimeout: 60_000,
        },
      },
      {
        plugins: [svelte(), serveWeights()],
        // Bundled before the tests begin. A dependency that Vite finds during a test would reload its page.
        optimizeDeps: {
          include: [
            '@tensorflow/tfjs',
            '@tensorflow/tfjs-backend-cpu',
            '@tensorflow/tfjs-backend-wasm',
            '@tensorflow/tfjs-backend-webgpu',
            '@tensorflow/tfjs-converter',
            '@tensorflow/tfjs-core',
            'client-zip',
            'comlink',
            'fast-check',
            'idb',
            'valibot',
          ],
        },
        // Some reference values are not part of the project. If they exist, they are in a neighbouring folder.
        server: { headers: isolationHeaders, fs: { allow: ['.', '../shared'] } },
        test: {
          name: 'gpu',
          include: ['test/gpu/**/*.test.ts'],
          testTimeout: 300_000,
          fileParallelism: false,
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            provider: playwright({
              launchOptions: {
                executablePath: findChromium()?.path,
                args: chromiumArguments({ software: true }),
              },
            }),
            instances: [{ browser: 'chromium' }],
          },
        },
      },
      {
        test: {
          name: 'e2e',
          environment: 'node',
          include: ['test/e2e/**/*.test.ts'],
          testTimeout: 300_000,
          hookTimeout: 300_000,
          expect: { poll: { timeout: 30_000 } },
          // On a busy machine a browser may be late. Vitest's report names the tests that needed a retry.
          retry: process.env.CI ? 1 : 0,
          fileParallelism: false,
        },
      },
    ],
  },
});
