/**
 * The offline copy in the browser, with a host that goes away, a host with a new version and a host without headers,
 * and after everything is deleted. The page is in a folder of its host, as on many static hosts.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { build } from 'vite';
import { startStaticServer, type StaticServer } from '../../cli/browser/static_server.ts';
import { projectRoot } from '../../cli/system/paths.ts';
import { distFolder, ensureBuild } from '../../scripts/setup/ensure_build.mjs';
import { pageHeaders } from '../../scripts/build/page_headers.mjs';
import { PageBrowser } from './helpers/page_browser.ts';

const PATH = '/some/where/';
const SMALL = '?people=4&photos=4&max_nrof_epochs=1&epoch_size=1&batch_size=4';
const JOB_LIMIT_MS = 300_000;
const POLL = { timeout: 30_000 };

let browser: PageBrowser;
let page: Page;
let server: StaticServer | undefined;
let port = 0;
let newVersion: string;

/**
 * @param sendsHeaders false: a host without headers
 * @param serviceWorker a file that replaces the service worker of the folder
 */
async function serve(folder: string, sendsHeaders = true, serviceWorker?: string): Promise<void> {
  await server?.close();
  server = await startStaticServer(
    folder,
    async (request, response) => {
      if (!sendsHeaders) for (const name of Object.keys(pageHeaders)) response.removeHeader(name);
      if (serviceWorker && request.url === `${PATH}service_worker.js`) {
        response.setHeader('Content-Type', 'text/javascript').end(readFileSync(serviceWorker));
        return true;
      }
      if (request.url?.startsWith(HELD)) {
        await new Promise<void>((resolve) => held.set(request.url!, resolve));
        response.writeHead(204).end();
        return true;
      }
      request.url = request.url?.startsWith(PATH) ? request.url.slice(PATH.length - 1) : '/nothing-here';
      return false;
    },
    port,
  );
  ({ port } = server);
}

/** Requests that the host does not answer until the test allows it. */
const held = new Map<string, () => void>();
const HELD = `${PATH}held/`;

async function goOffline(): Promise<void> {
  await server?.close();
  server = undefined;
}

/** Every file of the copy or copies in the browser, relative to the page. */
async function copiedFiles(): Promise<string[][]> {
  return page.evaluate(async () => {
    const copies = [];
    for (const name of await caches.keys()) {
      const requests = await (await caches.open(name)).keys();
      copies.push(requests.map(({ url }) => url.slice(document.baseURI.replace(/[?#].*/, '').length)));
    }
    return copies;
  });
}

const isCopied = (page: Page): Promise<boolean> =>
  page.evaluate(async () => (await navigator.serviceWorker.getRegistration())?.active?.state === 'activated');

beforeAll(async () => {
  await ensureBuild({ quiet: true });
  newVersion = mkdtempSync(join(tmpdir(), 'facenet-new-version-'));
  // As in normal use, not as in a test.
  vi.stubEnv('NODE_ENV', 'production');
  await build({
    root: projectRoot,
    logLevel: 'warn',
    build: { outDir: newVersion, emptyOutDir: true },
    plugins: [
      {
        name: 'new-version',
        transform: (code, id) =>
          id.endsWith('/src/app/main.ts')
            ? `${code}\ndocument.documentElement.dataset.version = 'new';`
            : id.endsWith('/Train.svelte')
              ? `${code}\ndocument.documentElement.dataset.train = 'new';`
              : undefined,
      },
    ],
  });
  vi.unstubAllEnvs();
  await serve(distFolder, false);
  browser = await PageBrowser.open({ address: `http://localhost:${port}${PATH}` });
  page = await browser.newPage(SMALL);
  page.setDefaultTimeout(60_000);
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
  if (newVersion) rmSync(newVersion, { recursive: true, force: true });
});

const version = (page: Page): Promise<string | undefined> =>
  page.evaluate(() => document.documentElement.dataset.version);

describe.sequential('the program’s own copy', () => {
  it('can be installed', async () => {
    const manifest = await page.evaluate(async () => {
      const link = document.querySelector<HTMLLinkElement>('link[rel=manifest]')!;
      return { url: link.href, ...((await (await fetch(link.href)).json()) as object) };
    });
    expect(manifest).toMatchObject({ display: 'standalone', start_url: './' });
    const session = await browser.context.newCDPSession(page);
    const { errors } = await session.send('Page.getAppManifest');
    expect(errors).toEqual([]);
    const { installabilityErrors } = await session.send('Page.getInstallabilityErrors');
    // Chromium does not offer installation in windows that a test drives. Nothing else may prevent it.
    expect(installabilityErrors.filter(({ errorId }) => errorId !== 'in-incognito')).toEqual([]);
  });

  it('is the complete program, made at the first visit', async () => {
    await expect.poll(() => isCopied(page), POLL).toBe(true);
    const expected = readdirSync(distFolder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(distFolder.length + 1))
      .filter((path) => !/terminal|service_worker|^[._]/.test(path))
      .map((path) => (path === 'index.html' ? '' : path));
    const [copy] = await copiedFiles();
    expect(copy!.sort()).toEqual(expected.sort());
  });

  it('isolates the page also on a host that cannot', async () => {
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(false);
    await page.reload();
    await page.getByRole('navigation', { name: 'Steps' }).waitFor();
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
  });

  it('does the whole job without the host', { timeout: JOB_LIMIT_MS }, async () => {
    await goOffline();
    await page.goto(`${browser.address}${SMALL}`);
    await page.getByRole('button', { name: 'Try it with sample faces' }).click();
    const banner = page.getByRole('region', { name: 'Sample run' });
    await banner.getByText(/Done|failed|Stopped/).waitFor({ timeout: JOB_LIMIT_MS });
    expect(await banner.innerText()).toContain('Done');
    expect(await page.getByText('TensorFlow.js ran the files').innerText()).toMatch(/at most 0|at most \dE-/);
    for (const name of ['photos', 'train', 'evaluate', 'models', 'privacy']) {
      await page.goto(`${browser.address}#${name}`);
      await page.getByRole('heading', { level: 1 }).waitFor();
    }
    await page.goto(`${browser.address}index.html#models`);
    await page.getByRole('heading', { level: 1, name: 'Models' }).waitFor();
    expect(browser.complaints).toEqual([]);
  });
});

/** A tab of which a part waits for the host: `hold` makes it wait for an address. */
async function openHeld(part: string, hold: (address: string) => void): Promise<Page> {
  const tab = await browser.context.newPage();
  await tab.addInitScript(`(${hold})(${JSON.stringify(HELD + part)})`);
  await tab.goto(browser.address, { waitUntil: 'commit' });
  await expect.poll(() => held.has(HELD + part), POLL).toBe(true);
  return tab;
}

describe.sequential('a new version', () => {
  let other: Page | undefined;
  const notice = (page: Page) => page.getByRole('region', { name: 'New version' });

  it('waits, and says so', async () => {
    await serve(newVersion);
    await page.goto(browser.address);
    await page.reload();
    await notice(page).getByText('A new version of this page is ready').waitFor();
    expect(await version(page)).toBeUndefined();
    expect(await copiedFiles()).toHaveLength(2);
  });

  it('does not touch a job, in this tab or another', { timeout: JOB_LIMIT_MS }, async () => {
    const busy = await browser.newPage('?people=6&photos=6');
    other = busy;
    await busy.getByRole('button', { name: 'Try it with sample faces' }).click();
    // Any running job will do, because some machines align a few faces very quickly.
    await busy.getByRole('button', { name: 'Pause' }).click({ timeout: JOB_LIMIT_MS });
    await busy.getByRole('button', { name: 'Resume' }).waitFor({ timeout: JOB_LIMIT_MS });
    await notice(busy).getByText('once the current job is done').waitFor();
    expect(await notice(busy).getByRole('button', { name: 'Reload' }).isDisabled()).toBe(true);

    await notice(page).getByRole('button', { name: 'Reload' }).click();
    await notice(page).getByText('A job is running in another tab').waitFor();
    expect(await version(page)).toBeUndefined();

    await busy.getByRole('button', { name: 'Resume' }).click();
    await busy.getByRole('heading', { name: /^Run \d{8}-\d{6}/ }).waitFor({ timeout: JOB_LIMIT_MS });
    await busy.getByRole('region', { name: 'Sample run' }).getByRole('button', { name: 'Stop' }).click();
    await busy
      .getByRole('region', { name: 'Sample run' })
      .getByText('Stopped')
      .waitFor({ timeout: JOB_LIMIT_MS });
  });

  it('is used on request, and other tabs keep what they need', async () => {
    // A tab that has not loaded the training page yet, and two that are still loading.
    const late = await browser.newPage();
    await notice(late).getByRole('button', { name: 'Reload' }).waitFor();
    const beforeScript = await openHeld('script', (address) => {
      const request = new XMLHttpRequest();
      // Synchronous: nothing else of the page runs before the answer.
      request.open('GET', address, false);
      request.send();
    });
    const beforeLoad = await openHeld('load', (address) => {
      document.addEventListener('DOMContentLoaded', () => {
        new Image().src = address;
      });
    });
    await beforeLoad.getByRole('navigation', { name: 'Steps' }).waitFor();

    await notice(page).getByRole('button', { name: 'Reload' }).click();
    await expect.poll(() => version(page).catch(() => undefined), POLL).toBe('new');
    expect(await notice(page).count()).toBe(0);

    for (const letGoOn of held.values()) letGoOn();
    for (const old of [late, beforeScript, beforeLoad])
      await notice(old).getByText('Another tab now uses a new version').waitFor();
    await beforeScript.close();
    await beforeLoad.close();
    await late.getByRole('link', { name: /Train/ }).click();
    await late.getByRole('heading', { level: 1, name: /Train/ }).waitFor();
    expect(await late.evaluate(() => document.documentElement.dataset.train)).toBeUndefined();
    expect(await copiedFiles()).toHaveLength(2);

    await late.close();
    await other?.close();
    // The next tab that opens removes the old copy, once the browser has released the locks of closed tabs.
    const copiesAfterOpening = async () => {
      await page.reload();
      return (await copiedFiles()).length;
    };
    await expect.poll(copiesAfterOpening, { ...POLL, interval: 1_000 }).toBe(1);
    expect(browser.complaints).toEqual([]);
  });

  it('is accepted completely or not at all', async () => {
    // A host in the middle of an update: the service worker of one version with the files of another.
    await serve(newVersion, true, join(distFolder, 'service_worker.js'));
    const outcome = await page.evaluate(async () => {
      const registration = (await navigator.serviceWorker.getRegistration())!;
      await registration.update();
      const worker = registration.installing!;
      await new Promise((resolve) => {
        worker.onstatechange = resolve;
      });
      return worker.state;
    });
    expect(outcome).toBe('redundant');
    expect(await copiedFiles()).toHaveLength(1);
    expect(await notice(page).count()).toBe(0);
    await page.reload();
    await page.getByRole('navigation', { name: 'Steps' }).waitFor();
    expect(await version(page)).toBe('new');
    await serve(newVersion);
  });
});

describe.sequential('Delete everything', () => {
  it('leaves nothing behind', async () => {
    await page.evaluate(() => {
      localStorage.setItem('facenet test', 'ours');
      sessionStorage.setItem('facenet test', 'ours');
      localStorage.setItem('another page’s', 'theirs');
    });
    await page.goto(`${browser.address}#models`);
    await page.getByRole('button', { name: 'Delete everything' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete everything' }).click();
    await page.getByText('Everything that this page had stored').waitFor();
    const left = await page.evaluate(async () => {
      const names = async (folder: FileSystemDirectoryHandle): Promise<string[]> => {
        const list = [];
        for await (const name of folder.keys()) list.push(name);
        return list;
      };
      const database = await new Promise<IDBDatabase>((resolve, reject) => {
        const opening = indexedDB.open('facenet');
        opening.onsuccess = () => resolve(opening.result);
        opening.onerror = () => reject(opening.error as Error);
      });
      const counts = await Promise.all(
        [...database.objectStoreNames].map(
          (store) =>
            new Promise<number>((resolve) => {
              const counting = database.transaction(store).objectStore(store).count();
              counting.onsuccess = () => resolve(counting.result);
            }),
        ),
      );
      return {
        databases: (await indexedDB.databases()).map(({ name }) => name),
        records: counts.reduce((sum, count) => sum + count, 0),
        files: await names(await navigator.storage.getDirectory()),
        copies: await caches.keys(),
        serviceWorkers: (await navigator.serviceWorker.getRegistrations()).length,
        localKeys: Object.keys(localStorage),
        sessionKeys: Object.keys(sessionStorage),
      };
    });
    expect(left).toEqual({
      // The page opens again and is empty.
      databases: ['facenet'],
      records: 0,
      files: [],
      copies: [],
      serviceWorkers: 0,
      localKeys: ['another page’s'],
      sessionKeys: [],
    });
  });
});
