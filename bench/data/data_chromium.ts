/** The data benchmark's page in a headless Chromium: Vite serves its sources. */
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { createServer } from 'vite';
import { chromiumArguments } from '../../scripts/setup/chromium.mjs';
import { ensureChromium } from '../../scripts/setup/ensure_chromium.mjs';
import { isolationHeaders } from '../../scripts/build/isolation_headers.mjs';
import type { DecodeRate, DecodeSettings, ImageKind, ScanReport } from './data_bench.ts';
import type { DataBenchPage } from './data_page.ts';

export interface DataBrowser {
  decode(settings: DecodeSettings): Promise<DecodeRate>;
  /** The first files that `decode` wrote. */
  files(kind: ImageKind, count: number): Promise<Uint8Array[]>;
  /** @param folder a folder of this machine, which is dropped on the page */
  scan(folder: string): Promise<ScanReport>;
}

export async function withDataBrowser<Result>(
  work: (browser: DataBrowser) => Promise<Result>,
  onMessage: (message: string) => void,
): Promise<Result> {
  const server = await createServer({
    root: fileURLToPath(new URL('../..', import.meta.url)),
    configFile: false,
    logLevel: 'error',
    server: { port: 0, headers: isolationHeaders, hmr: false },
    optimizeDeps: { include: ['comlink'] },
    worker: { format: 'es' },
  });
  const browser = await chromium.launch({
    executablePath: await ensureChromium(),
    args: chromiumArguments({ software: true }),
  });
  try {
    await server.listen();
    const page = await browser.newPage();
    page.on('console', (message) => onMessage(message.text()));
    page.on('pageerror', (error) => onMessage(String(error)));
    await page.goto(`${server.resolvedUrls!.local[0]}bench/data/data_page.html`);
    await page.waitForFunction(() => 'dataBench' in globalThis);
    return await work({
      decode: (settings) =>
        page.evaluate((given) => (globalThis as unknown as DataBenchPage).dataBench.decode(given), settings),
      async files(kind, count) {
        const encoded = await page.evaluate(
          ([given, limit]) => (globalThis as unknown as DataBenchPage).dataBench.files(given, limit),
          [kind, count] as const,
        );
        return encoded.map((file) => Buffer.from(file, 'base64'));
      },
      async scan(folder) {
        const scanned = page.evaluate(() => (globalThis as unknown as DataBenchPage).dataBench.scan());
        const devTools = await page.context().newCDPSession(page);
        for (const type of ['dragEnter', 'dragOver', 'drop'] as const)
          await devTools.send('Input.dispatchDragEvent', {
            type,
            x: 50,
            y: 50,
            data: { items: [], files: [folder], dragOperationsMask: 1 },
          });
        return scanned;
      },
    });
  } finally {
    await browser.close();
    await server.close();
  }
}
