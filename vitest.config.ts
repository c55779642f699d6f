import { svelte } from '@sveltejs/vite-plugin-svelte';
import { playwright } from '@vitest/browser-playwright';
import { defineConfig } from 'vitest/config';
import { chromiumArguments, findChromium } from './scripts/setup/chromium.mjs';
import { serveWeights } from './scripts/build/serve_weights.ts';
import { isolationHeaders } from './vite.config.ts';

/**
 * Three kinds of tests: `unit` is pure logic in Node, `gpu` runs kernels and tfjs on real WebGPU in headless Chromium,
 * `e2e` clicks through the built page and drives the terminal front end.
 */
export default defineConfig({
  test: {
    projects: [
      {
        // The page's state classes are tested in Node too, with workers that the test answers for.
        plugins: [svelte()],
        test: {
          name: 'unit',
          environment: 'node',
          include: ['test/unit/**/*.test.ts'],
          // One less than the processor's cores is Vitest's default: on two cores half of the machine would wait.
          maxWorkers: '100%',
          testTimeout: 60_000,
        },
      },
      {
        plugins: [svelte(), serveWeights()],
        // Bundled before the tests begin: a dependency found in the middle of a test would reload its page.
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
        // Reference values that are not part of the project lie beside it, where they are there at all.
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
          // On a busy machine a browser can be late. Vitest's report names the tests that needed it.
          retry: process.env.CI ? 1 : 0,
          fileParallelism: false,
        },
      },
    ],
  },
});
