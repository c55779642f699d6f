/**
 * Removes features from the browser before the page loads, in the page and in its workers, and tests the replacement.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, copyFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterEach, afterAll, beforeAll, describe, expect, it } from 'vitest';
import { projectRoot } from '../../cli/system/paths.ts';
import { axeViolations, showColourScheme } from './helpers/page_axe.ts';
import { PageBrowser, type PageBrowserOptions } from './helpers/page_browser.ts';

const JOB_LIMIT_MS = 300_000;

let root: string;
let browser: PageBrowser | undefined;
let page: Page;

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'facenet-features-'));
  mkdirSync(join(root, 'people/Eileen'), { recursive: true });
  copyFileSync(join(projectRoot, 'test/fixtures/astronaut.png'), join(root, 'people/Eileen/astronaut.png'));
});

afterEach(async () => {
  await browser?.close();
  browser = undefined;
});

afterAll(() => rmSync(root, { recursive: true, force: true }));

async function open(options: PageBrowserOptions, query = ''): Promise<void> {
  browser = await PageBrowser.open(options);
  page = await browser.newPage(query);
  page.setDefaultTimeout(60_000);
}

async function expectClean(): Promise<void> {
  for (const colorScheme of ['light', 'dark'] as const) {
    await showColourScheme(page, colorScheme);
    expect(await axeViolations(page)).toEqual([]);
  }
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'no-preference' });
}

/** The page's text about one feature: "yes" or "no", and what that means. */
async function saidAbout(feature: string): Promise<string[]> {
  await page.goto(`${browser!.address}#privacy`);
  const row = page.getByRole('row').filter({ has: page.getByRole('rowheader', { name: feature }) });
  await row.waitFor();
  return row.getByRole('cell').allInnerTexts();
}

/** Aligns the one photo into a zip file, and reads that. */
async function alignIntoZip(): Promise<Buffer> {
  await page.getByRole('button', { name: 'Choose a folder' }).waitFor();
  const choosing = page.waitForEvent('filechooser');
  await page.getByRole('button', { name: 'Choose a folder' }).click();
  await (await choosing).setFiles(join(root, 'people'));
  await page.getByRole('heading', { name: 'Ready to align 1 photo' }).waitFor();
  await page.getByRole('radio', { name: /^A zip file/ }).check();
  const downloading = page.waitForEvent('download', { timeout: JOB_LIMIT_MS });
  await page.getByRole('button', { name: 'Align the faces' }).click();
  await page.getByRole('heading', { name: 'Done: 1 aligned face' }).waitFor({ timeout: JOB_LIMIT_MS });
  return readFileSync(await (await downloading).path());
}

function expectFaceIn(zip: Buffer): void {
  expect(zip.subarray(0, 2).toString('latin1')).toBe('PK');
  expect(zip.includes('Eileen/astronaut.png')).toBe(true);
  expect(zip.length).toBeGreaterThan(20_000);
}

describe('a browser that lacks', () => {
  it('private storage, as in some private windows', { timeout: JOB_LIMIT_MS }, async () => {
    await open({
      prelude: () => {
        // Missing on the empty page with which a browser begins.
        if (!('StorageManager' in globalThis)) return;
        StorageManager.prototype.getDirectory = () =>
          Promise.reject(new DOMException('Security error when calling GetDirectory', 'SecurityError'));
        delete (globalThis as { showDirectoryPicker?: unknown }).showDirectoryPicker;
        delete (globalThis as { showSaveFilePicker?: unknown }).showSaveFilePicker;
      },
    });
    await page.getByText('No private storage').waitFor();
    expect(await page.getByRole('button', { name: 'Try it with sample faces' }).isDisabled()).toBe(true);
    await expectClean();
    expectFaceIn(await alignIntoZip());
    expect(await saidAbout('Private file storage')).toEqual(['no', expect.stringContaining('zip file')]);
    // Everything that is stored elsewhere is deleted all the same.
    await page.goto(`${browser!.address}#models`);
    await page.getByRole('button', { name: 'Delete everything' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete everything' }).click();
    await page.getByText('Everything that this page had stored').waitFor();
    expect(browser!.complaints).toEqual([]);
  });

  it('streams that move to a worker (Safari)', { timeout: JOB_LIMIT_MS }, async () => {
    await open({
      prelude: () => {
        const clone = globalThis.structuredClone;
        globalThis.structuredClone = ((value: unknown, options?: StructuredSerializeOptions) => {
          if (value instanceof WritableStream)
            throw new DOMException('The object can not be cloned.', 'DataCloneError');
          return clone(value, options);
        }) as typeof structuredClone;
        delete (globalThis as { showDirectoryPicker?: unknown }).showDirectoryPicker;
        delete (globalThis as { showSaveFilePicker?: unknown }).showSaveFilePicker;
      },
    });
    expectFaceIn(await alignIntoZip());
    const left = await page.evaluate(async () => {
      const names: string[] = [];
      const exports = await (await navigator.storage.getDirectory()).getDirectoryHandle('exports');
      for await (const name of exports.keys()) names.push(name);
      return names;
    });
    expect(left).toEqual([]);
    expect(browser!.complaints).toEqual([]);
  });

  it(
    'Web Locks, a wake lock, service workers and writable streams (older Safari): the whole job',
    { timeout: JOB_LIMIT_MS },
    async () => {
      await open(
        {
          prelude: () => {
            for (const name of ['locks', 'wakeLock'])
              for (const owner of [
                globalThis.Navigator,
                (globalThis as { WorkerNavigator?: { prototype: object } }).WorkerNavigator,
              ])
                if (owner) Object.defineProperty(owner.prototype, name, { get: () => undefined });
            if (!('FileSystemFileHandle' in globalThis)) return;
            delete (FileSystemFileHandle.prototype as { createWritable?: unknown }).createWritable;
          },
        },
        '?people=4&photos=4&max_nrof_epochs=1&epoch_size=1&batch_size=4',
      );
      await page.getByRole('button', { name: 'Try it with sample faces' }).click();
      const banner = page.getByRole('region', { name: 'Sample run' });
      await banner.getByText(/Done|failed|Stopped/).waitFor({ timeout: JOB_LIMIT_MS });
      expect(await banner.innerText()).toContain('Done');
      expect(await saidAbout('Keeping the screen awake')).toEqual(['no', expect.stringContaining('sleep')]);
      expect(await saidAbout('Safe in several tabs')).toEqual(['no', expect.stringContaining('one tab')]);
      expect(await saidAbout('Works offline')).toEqual(['no', expect.stringContaining('loaded')]);
      await expectClean();
      expect(browser!.complaints).toEqual([]);
    },
  );

  it('a secure address says where to open the page', async () => {
    await open({ host: 'page.example' });
    await page.getByText('This address is not secure').waitFor();
    expect(await saidAbout('WebGPU')).toEqual(['no', expect.stringContaining('CPU')]);
    await expectClean();
    for (const name of ['train', 'evaluate', 'models']) {
      await page.goto(`${browser!.address}#${name}`);
      await page.getByRole('heading', { level: 1 }).waitFor();
    }
    expect(browser!.foreignRequests).toEqual([]);
  });
});
