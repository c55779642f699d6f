/**
 * The built page in a headless Chromium, served like on a strict host. All requests are recorded: those of the page,
 * and, in a proxy to other machines, those of its workers and the browser itself.
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

/** Hosts that Chromium itself contacts from time to time. Requests of a page are recorded separately. */
const BROWSERS_OWN = /^(?:https?:\/\/)?(?:[\w-]+\.)*(?:google|googleapis|gvt1)\.com(?:[:/]|$)/;

/** The path to which the browser reports violations of the policy. */
const REPORT_PATH = '/violations';

export interface PageBrowserOptions {
  readonly colorScheme?: 'light' | 'dark';
  readonly viewport?: { readonly width: number; readonly height: number };
  readonly reducedMotion?: 'reduce' | 'no-preference';
  /** The folder of the built page; default: dist, which is built first if it is not up to date. */
  readonly folder?: string;
  /** Additional arguments for Chromium. */
  readonly extraArguments?: readonly string[];
  /** The address of a page that the test serves itself. */
  readonly address?: string;
  /** A name for the server in this browser; default: localhost, which counts as secure without HTTPS. */
  readonly host?: string;
  /** A script that removes features from the browser. It runs before anything else in the page and in its workers. */
  readonly prelude?: () => void;
  /** Answers a request of the page or its workers instead of the server. @returns whether it did */
  readonly intercept?: (path: string, response: ServerResponse) => boolean;
}

export class PageBrowser {
  readonly context: BrowserContext;
  readonly address: string;
  /** Every address that the page and its workers have requested. */
  readonly requests: string[] = [];
  /** The errors of the pages. */
  readonly complaints: string[] = [];
  /** Violations of the Content-Security-Policy in the page or a worker, as reported by the browser. */
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

  /** Addresses of other origins that the page requested, and other machines that anything in the browser contacted. */
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

/** A proxy that records all requests and refuses them, except those for `ownHost`, which is at `ownPort`. */
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

/** Adds the prelude to the scripts of workers, which must then come from the server, not from the offline copy. */
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
