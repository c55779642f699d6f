/** Runs benchmarks in a headless Chromium. Vite serves their sources to a page. */
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { createServer } from 'vite';
import { chromiumArguments } from '../scripts/setup/chromium.mjs';
import { ensureChromium } from '../scripts/setup/ensure_chromium.mjs';
import { isolationHeaders } from '../scripts/build/isolation_headers.mjs';
import type { EngineBenchOptions } from './engine/engine_bench.ts';
import type { BenchPage } from './page.ts';
import type { EngineComparison } from './engine/run_engine_bench.ts';

/** @param software use the software adapter even if there is a GPU */
export async function runInChromium(
  options: EngineBenchOptions,
  stock: boolean,
  software: boolean,
  onMessage: (message: string) => void,
): Promise<EngineComparison> {
  const server = await createServer({
    root: fileURLToPath(new URL('..', import.meta.url)),
    configFile: false,
    logLevel: 'error',
    server: { port: 0, headers: isolationHeaders, hmr: false },
    optimizeDeps: { include: ['@tensorflow/tfjs', '@tensorflow/tfjs-backend-webgpu'] },
  });
  const browser = await chromium.launch({
    executablePath: await ensureChromium(),
    // Timestamps in nanoseconds instead of steps of 100 µs.
    args: [...chromiumArguments({ software }), '--disable-dawn-features=timestamp_quantization'],
  });
  try {
    await server.listen();
    const page = await browser.newPage();
    page.on('console', (message) => onMessage(message.text()));
    await page.goto(`${server.resolvedUrls!.local[0]}bench/page.html`);
    await page.waitForFunction(() => 'bench' in globalThis);
    return await page.evaluate(
      ([given, withStock]) => (globalThis as unknown as BenchPage).bench.engine(given, withStock),
      [options, stock] as const,
    );
  } finally {
    await browser.close();
    await server.close();
  }
}
