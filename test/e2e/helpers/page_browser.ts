/** The built page in a headless Chromium, served as a strict host would, with everything it asks for written down. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type BrowserContext, type Page } from 'playwright-core';
import { startStaticServer } from '../../../cli/static_server.ts';
import { chromiumArguments, findChromium } from '../../../scripts/chromium.mjs';
import { contentSecurityPolicy } from '../../../scripts/content_security_policy.mjs';
import { distFolder, ensureBuild } from '../../../scripts/ensure_build.mjs';

export interface PageBrowserOptions {
  readonly colorScheme?: 'light' | 'dark';
  readonly viewport?: { readonly width: number; readonly height: number };
  readonly reducedMotion?: 'reduce' | 'no-preference';
  /** Of the built page; default: dist, built first where it is not fresh. */
  readonly folder?: string;
}

export class PageBrowser {
  readonly context: BrowserContext;
  readonly address: string;
  /** Every address asked for, by the page and by its workers. */
  readonly requests: string[] = [];
  /** What the pages complained about. */
  readonly complaints: string[] = [];
  readonly #end: () => Promise<void>;

  private constructor(context: BrowserContext, address: string, end: () => Promise<void>) {
    this.context = context;
    this.address = address;
    this.#end = end;
    context.on('request', (request) => this.requests.push(request.url()));
    context.on('console', (message) => {
      if (message.type() === 'error') this.complaints.push(message.text());
    });
    context.on('weberror', (error) => this.complaints.push(error.error().message));
  }

  static async open(options: PageBrowserOptions = {}): Promise<PageBrowser> {
    if (!options.folder) await ensureBuild({ quiet: true });
    const server = await startStaticServer(options.folder ?? distFolder, async (_request, response) => {
      response.setHeader('Content-Security-Policy', contentSecurityPolicy);
      return false;
    });
    const profile = await mkdtemp(join(tmpdir(), 'facenet-page-'));
    const context = await chromium.launchPersistentContext(profile, {
      executablePath: findChromium()?.path,
      headless: true,
      args: chromiumArguments({ software: true }),
      colorScheme: options.colorScheme ?? 'light',
      viewport: options.viewport ?? { width: 1280, height: 900 },
      reducedMotion: options.reducedMotion ?? 'no-preference',
      acceptDownloads: true,
    });
    return new PageBrowser(context, `http://localhost:${server.port}/`, async () => {
      await context.close();
      await server.close();
      await rm(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
    });
  }

  /** @param pathAndQuery e.g. `?people=4#train` */
  async newPage(pathAndQuery = ''): Promise<Page> {
    const page = await this.context.newPage();
    await page.goto(this.address + pathAndQuery);
    await page.getByRole('navigation', { name: 'Steps' }).waitFor();
    return page;
  }

  /** Addresses of other origins that anything asked for. */
  get foreignRequests(): string[] {
    const { origin } = new URL(this.address);
    return this.requests.filter((url) => new URL(url).origin !== origin && !/^(blob|data):/.test(url));
  }

  close(): Promise<void> {
    return this.#end();
  }
}
