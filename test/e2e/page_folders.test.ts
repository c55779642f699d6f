/** Folders in a browser without the newer ways to open them, with every kind of bad file. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { axeViolations, openAllDetails, showColourScheme } from './helpers/page_axe.ts';
import { PageBrowser } from './helpers/page_browser.ts';
import { greyPng } from './helpers/page_png.ts';

let browser: PageBrowser;
let page: Page;
let root: string;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'facenet-folders-'));
  const write = (path: string, content: Buffer | string): void => {
    const file = join(root, path);
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, content);
  };
  write('people/Ada/grey wall.png', greyPng(120));
  write('people/Ada/empty.jpg', '');
  write('people/Ada/notes.txt', 'no image');
  write('people/Émile/text.jpg', 'this is no image either');
  write('people/Émile/tiny.png', greyPng(4));
  write('people/stray.png', greyPng(40));
  write('nothing/readme.md', 'no images here');
  browser = await PageBrowser.open();
  await browser.context.addInitScript(() => {
    delete (window as { showDirectoryPicker?: unknown }).showDirectoryPicker;
    delete (window as { showSaveFilePicker?: unknown }).showSaveFilePicker;
    Object.defineProperty(Navigator.prototype, 'gpu', { get: () => undefined });
  });
  page = await browser.newPage();
  page.setDefaultTimeout(60_000);
});

afterAll(async () => {
  await browser?.close();
  rmSync(root, { recursive: true, force: true });
});

async function chooseFolder(name: string): Promise<void> {
  const choosing = page.waitForEvent('filechooser');
  await page.getByRole('button', { name: /Choose a folder|Add another folder/ }).click();
  await (await choosing).setFiles(join(root, name));
}

describe.sequential('a browser without folder access', () => {
  it('says what is missing and what that means', async () => {
    await page.getByText('This browser can read folders but not write to them').waitFor();
    expect(await axeViolations(page)).toEqual([]);
  });

  it.each(['train', 'evaluate', 'models', 'privacy'])('has a clean empty page %s', async (name) => {
    await page.goto(`${browser.address}#${name}`);
    await page.getByRole('heading', { level: 1 }).waitFor();
    for (const colorScheme of ['light', 'dark'] as const) {
      await showColourScheme(page, colorScheme);
      await openAllDetails(page);
      expect(await axeViolations(page)).toEqual([]);
    }
    await page.emulateMedia({ colorScheme: 'light' });
  });

  it('names a folder without images', async () => {
    await page.goto(`${browser.address}#photos`);
    await chooseFolder('nothing');
    await page.getByText('No photos were found in "nothing"').waitFor();
    await page.getByRole('button', { name: 'Remove nothing' }).click();
  });

  it('counts people, photos and what is ignored', async () => {
    await chooseFolder('people');
    await page.getByRole('heading', { name: 'Ready to align 4 photos' }).waitFor();
    const facts = await page.locator('dl').first().innerText();
    expect(facts.replace(/\s+/g, ' ')).toMatch(/2 identities|identities 2/);
    // A photo that cannot be used is named at once; a file that is not a photo after a click.
    const missed = page.getByText('1 photo is not inside a person’s folder and will not be used: stray.png.');
    expect(await missed.isVisible()).toBe(true);
    expect(await page.getByText('1 file is not a photo').isVisible()).toBe(false);
    await page.getByText('2 ignored files').click();
    await page.getByRole('listitem').filter({ hasText: 'Ada/notes.txt' }).waitFor();
    await page
      .getByText('1 file is not a photo, judging by its name, and is ignored: Ada/notes.txt.')
      .waitFor();
  });

  it('goes through bad files and says why each gave nothing', async () => {
    await page.getByRole('button', { name: 'Align the faces' }).click();
    await page.getByRole('heading', { name: 'Done: no face was found' }).waitFor();
    const gallery = page.getByRole('list', { name: 'Photos without a saved face' });
    expect(await gallery.getByRole('checkbox').count()).toBe(4);
    await page.getByText('Show as a table').click();
    const table = page.getByRole('region', { name: 'Photos without a saved face' });
    const rows = await table.locator('tbody tr').allInnerTexts();
    expect(rows).toHaveLength(4);
    const row = (path: string): string => rows.find((text) => text.startsWith(path))!;
    expect(row('Ada/empty.jpg')).toContain('cannot be read');
    expect(row('Émile/text.jpg')).toContain('cannot be read');
    expect(row('Émile/tiny.png')).toContain('4 × 4 pixels');
    expect(row('Ada/grey wall.png')).toContain('No face was found');
    expect(await axeViolations(page)).toEqual([]);
  });

  it('tries the chosen ones again with other settings', async () => {
    await page.getByLabel('Ada/grey wall.png: no face found').check();
    await page.getByLabel('Try again with').selectOption('both');
    await page
      .getByText('Uses the thresholds 0.45, 0.55, 0.55 and looks for faces of at least 12 pixels')
      .waitFor();
    await page.getByRole('button', { name: 'Try 1 photo again' }).click();
    await page.getByRole('heading', { name: 'Done: no face was found' }).waitFor();
    await page.getByText('No face was found in this photo this time either.').waitFor();
    // The choice stays.
    expect(await page.getByLabel('Ada/grey wall.png: no face found').isChecked()).toBe(true);
    expect(await page.getByLabel('Try again with').inputValue()).toBe('both');
    // The others are not forgotten, and none of them was tried.
    await page.getByRole('heading', { name: 'No face saved for 4 photos' }).waitFor();
    await page.getByRole('button', { name: 'Select the 2 that could be read' }).click();
    await page.getByRole('button', { name: 'Try 2 photos again' }).waitFor();
  });

  it('refuses to train on what has too few people, and marks a bad schedule line', async () => {
    await page.getByRole('button', { name: 'Start over' }).click();
    await page.goto(`${browser.address}#train`);
    expect(await page.getByRole('button', { name: 'Start training' }).isDisabled()).toBe(true);
    await page.getByText('All settings').click();
    await page.getByLabel('Learning rate schedule').fill('0: 0.05\nsoon: less\n');
    await page.getByText('Line 2 of the learning rate schedule').waitFor();
  });

  it('offers to delete everything, and does', async () => {
    await page.goto(`${browser.address}#models`);
    await page.getByRole('button', { name: 'Delete everything' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete everything' }).click();
    await page.getByRole('button', { name: 'Try it with sample faces' }).waitFor();
    const left = await page.evaluate(async () => {
      const names: string[] = [];
      for await (const name of (await navigator.storage.getDirectory()).keys()) names.push(name);
      return names;
    });
    expect(left).toEqual([]);
  });
});
