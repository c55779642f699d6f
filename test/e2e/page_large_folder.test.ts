/** A folder with very many files: its people are listed at once, their counts grow, and reading can be stopped. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { axeViolations, showColourScheme } from './helpers/page_axe.ts';
import { PageBrowser } from './helpers/page_browser.ts';

const PEOPLE = 600;
const PHOTOS_EACH = 20;
/** The size of a folder whose files are read one by one, at a millisecond each. */
const FEWER_PEOPLE = 120;
const LIMIT_MS = 60_000;

/** The texts that the page showed while the folder was read. */
interface Shown {
  readonly people: number;
  readonly images: number;
  readonly firstRow: string;
  readonly canStart: boolean;
  readonly note: string;
}

let root: string;

/** Empty files: only their names are read. */
function makeFolder(path: string, peopleCount: number): void {
  for (let person = 0; person < peopleCount; person++) {
    const folder = join(path, `person ${String(person).padStart(4, '0')}`);
    mkdirSync(folder, { recursive: true });
    for (let photo = 0; photo < PHOTOS_EACH; photo++) writeFileSync(join(folder, `${photo}.jpg`), '');
  }
}

async function dropFolder(page: Page, zone: Locator, path: string): Promise<void> {
  await zone.scrollIntoViewIfNeeded();
  const box = (await zone.boundingBox())!;
  const devTools = await page.context().newCDPSession(page);
  for (const type of ['dragEnter', 'dragOver', 'drop'] as const)
    await devTools.send('Input.dispatchDragEvent', {
      type,
      x: box.x + box.width / 2,
      y: box.y + box.height / 2,
      data: { items: [], files: [path], dragOperationsMask: 1 },
    });
}

/** Records texts from now on. Read them with `shownSoFar`. */
async function watch(page: Page): Promise<void> {
  await page.evaluate(() => {
    const shown: Shown[] = [];
    Object.assign(window, { shown });
    const number = (text: string | null | undefined): number => Number((text ?? '').replace(/\D/g, ''));
    new MutationObserver(() => {
      const facts = document.querySelector('dl[aria-label="Found so far"]');
      if (!facts) return;
      const [people, images] = [...facts.querySelectorAll('dd')].map((one) => number(one.textContent));
      const start = [...document.querySelectorAll('button')].find((one) =>
        one.textContent?.includes('Start training'),
      );
      shown.push({
        people: people!,
        images: images!,
        firstRow: document.querySelector('tbody th')?.textContent ?? '',
        canStart: start?.disabled === false,
        note: document.querySelector('#train-start-note')?.textContent?.trim() ?? '',
      });
    }).observe(document.body, { childList: true, subtree: true, characterData: true });
  });
}

const shownSoFar = (page: Page): Promise<Shown[]> =>
  page.evaluate(() => (window as unknown as { shown: Shown[] }).shown);

function expectGrowth(shown: readonly Shown[], peopleCount: number): void {
  const counts = [...new Set(shown.map(({ images }) => images))];
  expect(counts.length).toBeGreaterThan(1);
  expect(counts).toEqual([...counts].sort((a, b) => a - b));
  // All people are known long before their photos are counted.
  expect(shown.find(({ people }) => people === peopleCount)!.images).toBeLessThan(
    (peopleCount * PHOTOS_EACH) / 2,
  );
  expect(shown.at(-1)!.firstRow).toBe('person 0000');
  expect(shown.every(({ canStart }) => !canStart)).toBe(true);
  expect(shown.every(({ note }) => note === 'The dataset is still being read.')).toBe(true);
}

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'facenet-large-'));
  makeFolder(join(root, 'many'), PEOPLE);
  makeFolder(join(root, 'fewer'), FEWER_PEOPLE);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe.each([
  { browserKind: 'with handles of folders', hasHandles: true, folder: 'many', peopleCount: PEOPLE },
  { browserKind: 'without', hasHandles: false, folder: 'fewer', peopleCount: FEWER_PEOPLE },
])('a large folder dropped on a browser $browserKind', ({ hasHandles, folder, peopleCount }) => {
  let browser: PageBrowser;
  let page: Page;
  let dataset: Locator;
  let zone: Locator;
  const total = (): Locator => dataset.locator('dl[aria-label="The dataset"] dd').nth(1);

  beforeAll(async () => {
    browser = await PageBrowser.open();
    if (!hasHandles)
      await browser.context.addInitScript(() => {
        delete (DataTransferItem.prototype as { getAsFileSystemHandle?: unknown }).getAsFileSystemHandle;
        // Here the page itself reads, so the test can make it wait.
        const { webkitGetAsEntry } = DataTransferItem.prototype;
        let count = 0;
        DataTransferItem.prototype.webkitGetAsEntry = function () {
          const entry = webkitGetAsEntry.call(this) as FileSystemDirectoryEntry;
          const prototype = Object.getPrototypeOf(entry.createReader()) as FileSystemDirectoryReader;
          const { readEntries } = prototype;
          prototype.readEntries = function (...callbacks): void {
            if ((window as unknown as { waits?: boolean }).waits && ++count > 150) return;
            readEntries.apply(this, callbacks);
          };
          return entry;
        };
      });
    page = await browser.newPage('#train');
    dataset = page.getByRole('region', { name: 'Dataset' });
    zone = dataset.getByRole('group', { name: 'Folders of aligned faces' });
    await zone.waitFor();
  });
  afterAll(() => browser?.close());

  it(
    'shows its people while it is read, and can be trained on when it is counted',
    { timeout: LIMIT_MS },
    async () => {
      await watch(page);
      await dropFolder(page, zone, join(root, folder));
      await dataset.getByText('Images per identity so far').click();
      await total().waitFor({ timeout: LIMIT_MS });
      expect((await total().innerText()).replace(/\D/g, '')).toBe(String(peopleCount * PHOTOS_EACH));
      expectGrowth(await shownSoFar(page), peopleCount);
      await expect.poll(() => page.getByRole('button', { name: 'Start training' }).isDisabled()).toBe(false);
    },
  );

  it.runIf(hasHandles)(
    'is read again by a training, which can be stopped before there is a run',
    async () => {
      await page.getByRole('button', { name: 'Start training' }).click();
      await page.getByText(/^Reading the dataset: [\d,]+ files and/).waitFor();
      await page.getByRole('button', { name: 'Stop', exact: true }).click();
      await expect.poll(() => page.getByRole('button', { name: 'Start training' }).isDisabled()).toBe(false);
      expect(await page.getByRole('alert').count()).toBe(0);
      expect(await page.getByRole('heading', { name: 'Your runs' }).count()).toBe(0);
    },
  );

  it(
    'goes back to what was read before when reading another one is stopped',
    { timeout: LIMIT_MS },
    async () => {
      await page.evaluate(() => Object.assign(window, { waits: true }));
      await dropFolder(page, zone, join(root, folder));
      await dataset.locator('dl[aria-label="Found so far"]').waitFor();
      if (!hasHandles)
        for (const colorScheme of ['light', 'dark'] as const) {
          await showColourScheme(page, colorScheme);
          expect(await axeViolations(page)).toEqual([]);
        }
      await dataset.getByRole('button', { name: 'Stop reading' }).click();
      await total().waitFor();
      expect((await total().innerText()).replace(/\D/g, '')).toBe(String(peopleCount * PHOTOS_EACH));
      expect(await dataset.getByRole('list', { name: 'Chosen folders' }).getByRole('listitem').count()).toBe(
        1,
      );
      await expect.poll(() => page.getByRole('button', { name: 'Start training' }).isDisabled()).toBe(false);
      // The reading has also ended in the worker, so another one starts and ends quickly.
      await dataset.getByRole('button', { name: `Remove ${folder}` }).click();
      await zone.getByText('or drop one here').waitFor();
      expect(browser.complaints).toEqual([]);
    },
  );
});

describe('a folder in the private storage, picked', () => {
  it('is read in the same way', { timeout: LIMIT_MS }, async () => {
    const browser = await PageBrowser.open();
    try {
      const page = await browser.newPage('#train');
      await page.evaluate(
        async ([people, photos]) => {
          const storage = await navigator.storage.getDirectory();
          const folder = await storage.getDirectoryHandle('many', { create: true });
          for (let person = 0; person < people!; person++) {
            const name = `person ${String(person).padStart(4, '0')}`;
            const subfolder = await folder.getDirectoryHandle(name, { create: true });
            await Promise.all(
              Array.from({ length: photos! }, (_, photo) =>
                subfolder.getFileHandle(`${photo}.jpg`, { create: true }),
              ),
            );
          }
          Object.assign(window, { showDirectoryPicker: async () => folder });
        },
        [FEWER_PEOPLE, PHOTOS_EACH] as const,
      );
      const dataset = page.getByRole('region', { name: 'Dataset' });
      await watch(page);
      await dataset.getByRole('button', { name: 'Choose a folder' }).click();
      const total = dataset.locator('dl[aria-label="The dataset"] dd').nth(1);
      await total.waitFor({ timeout: LIMIT_MS });
      expect((await total.innerText()).replace(/\D/g, '')).toBe(String(FEWER_PEOPLE * PHOTOS_EACH));
      const shown = await shownSoFar(page);
      expect(shown.length).toBeGreaterThan(0);
      expect(shown[0]!.people).toBe(FEWER_PEOPLE);
      expect(shown.every(({ canStart }) => !canStart)).toBe(true);
    } finally {
      await browser.close();
    }
  });
});
