/**
 * Sets of aligned faces in the browser's own storage, made from two folders with the same name. Folders of the private
 * file system replace folders on disk, which only a person can pick.
 */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { axeViolations, showColourScheme } from './helpers/page_axe.ts';
import { PageBrowser } from './helpers/page_browser.ts';

const ASTRONAUT = join(import.meta.dirname, '../fixtures/astronaut.png');
const { FACENET_SHOTS } = process.env;
const FIRST = 'photos aligned 182-44';
const SECOND = 'photos (2) aligned 182-44';

let browser: PageBrowser;
let page: Page;

beforeAll(async () => {
  browser = await PageBrowser.open();
  await browser.context.addInitScript(() => {
    delete (window as { showSaveFilePicker?: unknown }).showSaveFilePicker;
    window.showDirectoryPicker = async () => {
      let folder = await navigator.storage.getDirectory();
      for (const part of sessionStorage.getItem('picked')!.split('/'))
        folder = await folder.getDirectoryHandle(part);
      return folder;
    };
  });
  page = await browser.newPage();
  page.setDefaultTimeout(120_000);
  const base64 = readFileSync(ASTRONAUT).toString('base64');
  await page.evaluate(async (photo) => {
    const bytes = Uint8Array.from(atob(photo), (character) => character.charCodeAt(0));
    for (const path of ['a/photos/Ann', 'b/photos/Bo']) {
      let folder = await navigator.storage.getDirectory();
      for (const part of path.split('/')) folder = await folder.getDirectoryHandle(part, { create: true });
      const file = await (await folder.getFileHandle('alone.png', { create: true })).createWritable();
      await file.write(bytes);
      await file.close();
    }
  }, base64);
});

afterAll(() => browser?.close());

/** On a page that knows nothing but what is stored. */
async function choose(path: string): Promise<void> {
  await page.goto('about:blank');
  await page.goto(`${browser.address}#photos`);
  await page.evaluate((picked) => sessionStorage.setItem('picked', picked), path);
  await page.getByRole('button', { name: 'Choose a folder' }).click();
  await page.getByRole('heading', { name: 'Ready to align 1 photo' }).waitFor();
  await page.getByText('More settings').click();
  // Few levels, because this tests the sets.
  await page.getByLabel('Smallest face (pixels)').fill('60');
  await page.getByRole('button', { name: 'Align the faces' }).click();
}

/** The files of a set, without notes. */
function facesOf(set: string): Promise<string[]> {
  return page.evaluate(async (name) => {
    const found: string[] = [];
    const folder = await (
      await (await navigator.storage.getDirectory()).getDirectoryHandle('aligned')
    ).getDirectoryHandle(name);
    for await (const person of folder.values())
      if (person.kind === 'directory')
        for await (const file of (person as FileSystemDirectoryHandle).keys())
          found.push(`${person.name}/${file}`);
    return found;
  }, set);
}

async function shoot(name: string): Promise<void> {
  if (!FACENET_SHOTS) return;
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    for (const width of [400, 1280, 1920]) {
      await page.setViewportSize({ width, height: 900 });
      await page.waitForTimeout(400);
      await page.screenshot({
        path: join(FACENET_SHOTS, `${name}-${width}-${colorScheme}.png`),
        fullPage: !(await page.locator('dialog[open]').count()),
      });
    }
  }
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize({ width: 1280, height: 900 });
}

const done = () => page.getByRole('heading', { name: 'Done: 1 aligned face' }).waitFor();

describe.sequential('two folders called “photos”', () => {
  it('have two sets, after a question', async () => {
    await choose('a/photos');
    await done();
    // One person is not enough for training.
    await page.getByText('All faces belong to one person').waitFor();
    expect(await page.locator('button.primary', { hasText: 'Train on these faces' }).count()).toBe(0);
    await choose('b/photos');
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('heading', { name: 'There are already faces from a folder “photos”' }).waitFor();
    await dialog.getByText('1 face of 1 person').waitFor();
    for (const scheme of ['light', 'dark'] as const) {
      await showColourScheme(page, scheme);
      expect(await axeViolations(page)).toEqual([]);
    }
    await shoot('sets-question');
    await dialog.getByRole('button', { name: 'Make a new set' }).click();
    await done();
    expect(await facesOf(FIRST)).toEqual(['Ann/alone.png']);
    expect(await facesOf(SECOND)).toEqual(['Bo/alone.png']);
  });

  it('are recognised later, and aligned again when the settings are others', async () => {
    await choose('a/photos');
    await done();
    await page.getByText('1 photo was already aligned with the same settings').waitFor();
    await page.getByText('Settings', { exact: true }).first().click();
    await page.getByLabel('Smallest face (pixels)').fill('70');
    await page.getByRole('button', { name: 'Align again' }).click();
    await page.getByText('1 photo was aligned again because the settings have changed.').waitFor();
    await done();
    expect(await facesOf(SECOND)).toEqual(['Bo/alone.png']);
    await shoot('sets-done');
  });

  it('are listed, saved and deleted one by one', async () => {
    const list = page.getByRole('list', { name: 'Stored sets' });
    await list.getByText('1 person · 1 face').nth(1).waitFor();
    for (const scheme of ['light', 'dark'] as const) {
      await showColourScheme(page, scheme);
      expect(await axeViolations(page)).toEqual([]);
    }
    const downloading = page.waitForEvent('download');
    await list.getByRole('group', { name: SECOND }).getByRole('button', { name: 'Save as zip' }).click();
    expect((await downloading).suggestedFilename()).toBe(`${SECOND}.zip`);
    await list.getByRole('button', { name: `Delete ${SECOND}` }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete this set' }).click();
    await page.getByRole('heading', { name: '1 set in this browser’s own storage' }).waitFor();
    await page.goto('about:blank');
    await page.goto(browser.address);
    await page.getByRole('navigation', { name: 'Steps' }).getByText('1 set', { exact: true }).waitFor();
    await shoot('sets-first-page');
    expect(browser.complaints).toEqual([]);
  });
});

describe.sequential('folders called “album” that the browser hands over as lists of files', () => {
  const root = mkdtempSync(join(tmpdir(), 'facenet-sets-'));
  const ALBUM = 'album aligned 182-44';
  const OTHER_ALBUM = 'album (2) aligned 182-44';
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  function makeAlbum(place: string, person: string): string {
    const folder = join(root, place, 'album');
    mkdirSync(join(folder, person), { recursive: true });
    copyFileSync(ASTRONAUT, join(folder, person, 'alone.png'));
    return folder;
  }

  /** On a page that knows nothing but what is stored. */
  async function chooseFiles(folder: string): Promise<void> {
    await page.goto('about:blank');
    await page.goto(`${browser.address}#photos`);
    await page.getByLabel('Folders of photos: folder', { exact: true }).setInputFiles(folder);
    await page.getByRole('heading', { name: 'Ready to align 1 photo' }).waitFor();
    await page.getByText('More settings').click();
    await page.getByLabel('Smallest face (pixels)').fill('60');
    await page.getByRole('button', { name: 'Align the faces' }).click();
  }

  it('are recognised by their photos at the next visit', async () => {
    const folder = makeAlbum('a', 'Ann');
    await chooseFiles(folder);
    await done();
    await chooseFiles(folder);
    await done();
    await page.getByText('1 photo was already aligned with the same settings').waitFor();
    expect(await facesOf(ALBUM)).toEqual(['Ann/alone.png']);
  });

  it('lead to a question if the photos differ, and are not mixed', async () => {
    await chooseFiles(makeAlbum('b', 'Bo'));
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('heading', { name: 'There are already faces from a folder “album”' }).waitFor();
    await dialog.getByRole('button', { name: 'Make a new set' }).click();
    await done();
    expect(await facesOf(ALBUM)).toEqual(['Ann/alone.png']);
    expect(await facesOf(OTHER_ALBUM)).toEqual(['Bo/alone.png']);
    expect(browser.complaints).toEqual([]);
  });
});
