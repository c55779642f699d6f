/**
 * The built page in a headless Chromium, served as a strict host would, with everything it asks for written down: by
 * the page, and, at the browser's way out to other machines, by its workers and the browser itself.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { chromium, type BrowserContext, type Page } from 'playwright-core';
import { startStaticServer } from '../../../cli/browser/static_server.ts';
import { chromiumArguments, findChromium } from '../../../scripts/setup/chromium.mjs';
import { distFolder, ensureBuild } from '../../../scripts/setup/ensure_build.mjs';
import { pageHeaders } from '../../../scripts/build/page_headers.mjs';

/** What Chromium itself asks its maker now and then, whatever page is open; a page's requests are seen as such. */
const BROWSERS_OWN = /^(?:https?:\/\/)?(?:[\w-]+\.)*(?:google|googleapis|gvt1)\.com(?:[:/]|$)/;

/** Where the browser sends what the policy refused. */
const REPORT_PATH = '/violations';

export interface PageBrowserOptions {
  readonly colorScheme?: 'light' | 'dark';
  readonly viewport?: { readonly width: number; readonly height: number };
  readonly reducedMotion?: 'reduce' | 'no-preference';
  /** Of the built page; default: dist, built first where it is not fresh. */
  readonly folder?: string;
  /** For Chromium, beside the usual ones. */
  readonly extraArguments?: readonly string[];
  /** Of a page that the test serves itself. */
  readonly address?: string;
  /** A name for the server in this browser; default: localhost, which counts as secure without HTTPS. */
  readonly host?: string;
  /** A browser that lacks something: run before anything else in the page and in its workers. */
  readonly prelude?: () => void;
  /** Answers a request of the page or of any of its workers in the server's place. @returns whether it did */
  readonly intercept?: (path: string, response: ServerResponse) => boolean;
}

export class PageBrowser {
  readonly context: BrowserContext;
  readonly address: string;
  /** Every address asked for, by the page and by its workers. */
  readonly requests: string[] = [];
  /** What the pages complained about. */
  readonly complaints: string[] = [];
  /** What the Content-Security-Policy refused, in the page or a worker, as the browser reports it. */
  readonly violations: string[];
  readonly #askedOthers: string[];
  readonly #end: () => Promise<void>;

  private constructor(
    context: BrowserContext,
    address: string,
    violations: string[],
    askedOthers: string[],
    end: () => Promise<void>,
  ) {
    this.context = context;
    this.address = address;
    this.violations = violations;
    this.#askedOthers = askedOthers;
    this.#end = end;
    context.on('request', (request) => this.requests.push(request.url()));
    context.on('console', (message) => {
      if (message.type() === 'error') this.complaints.push(message.text());
    });
    context.on('weberror', (error) => this.complaints.push(error.error().message));
  }

  static async open(options: PageBrowserOptions = {}): Promise<PageBrowser> {
    if (!options.folder && !options.address) await ensureBuild({ quiet: true });
    const violations: string[] = [];
    const server = options.address
      ? undefined
      : await startStaticServer(options.folder ?? distFolder, async (incoming, response) => {
          if (incoming.url === REPORT_PATH) {
            violations.push(await text(incoming));
            response.writeHead(204).end();
            return true;
          }
          if (options.intercept?.(incoming.url ?? '', response)) return true;
          response.setHeader(
            'Content-Security-Policy',
            `${pageHeaders['Content-Security-Policy']}; report-uri ${REPORT_PATH}`,
          );
          return false;
        });
    const askedOthers: string[] = [];
    const wayOut = await startWayOut(askedOthers, options.host, server?.port);
    const profile = await mkdtemp(join(tmpdir(), 'facenet-page-'));
    const context = await chromium.launchPersistentContext(profile, {
      executablePath: findChromium()?.path,
      headless: true,
      args: [...chromiumArguments({ software: true }), ...(options.extraArguments ?? [])],
      colorScheme: options.colorScheme ?? 'light',
      viewport: options.viewport ?? { width: 1280, height: 900 },
      reducedMotion: options.reducedMotion ?? 'no-preference',
      acceptDownloads: true,
      proxy: {
        server: `http://127.0.0.1:${(wayOut.address() as AddressInfo).port}`,
        bypass: 'localhost',
      },
    });
    if (options.prelude) await runFirst(context, options.prelude);
    const address =
      options.address ?? (options.host ? `http://${options.host}/` : `http://localhost:${server!.port}/`);
    return new PageBrowser(context, address, violations, askedOthers, async () => {
      await context.close();
      await server?.close();
      wayOut.close();
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

  /** Addresses of other origins that the page asked for, and other machines that anything in the browser asked. */
  get foreignRequests(): string[] {
    const { origin } = new URL(this.address);
    const foreign = this.requests.filter(
      (url) => new URL(url).origin !== origin && !/^(blob|data):/.test(url),
    );
    return [...foreign, ...this.#askedOthers.filter((address) => !BROWSERS_OWN.test(address))];
  }

  close(): Promise<void> {
    return this.#end();
  }
}

/** A proxy that lets nothing through and writes down who was asked for; only `ownHost` it knows, at `ownPort`. */
async function startWayOut(asked: string[], ownHost?: string, ownPort?: number): Promise<Server> {
  const server = createServer((incoming, response) => {
    const { hostname, pathname, search } = new URL(incoming.url ?? '');
    if (hostname !== ownHost) {
      asked.push(incoming.url ?? '');
      response.writeHead(502).end();
      return;
    }
    request({ host: '127.0.0.1', port: ownPort, path: pathname + search }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    }).end();
  });
  server.on('connect', (incoming, socket) => {
    asked.push(incoming.url ?? '');
    socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

/** In the workers by their scripts, which then must come from the server and not from the program's own copy. */
async function runFirst(context: BrowserContext, prelude: () => void): Promise<void> {
  await context.addInitScript(() => {
    Object.defineProperty(Navigator.prototype, 'serviceWorker', { get: () => undefined });
  });
  await context.addInitScript(prelude);
  await context.route(/\.worker-[\w-]+\.js$/, async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: `(${prelude})();${await response.text()}` });
  });
}
