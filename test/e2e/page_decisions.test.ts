/** After an alignment: a photo in two identities, another of the found faces, a photo set aside and taken back. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { axeViolations, showColourScheme } from './helpers/page_axe.ts';
import { PageBrowser } from './helpers/page_browser.ts';

const ASTRONAUT = join(import.meta.dirname, '../fixtures/astronaut.png');
/** A folder for screenshots. */
const { FACENET_SHOTS, FACENET_TEST_DIST } = process.env;

let browser: PageBrowser;
let page: Page;
let root: string;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'facenet-decisions-'));
  browser = await PageBrowser.open(FACENET_TEST_DIST ? { folder: FACENET_TEST_DIST } : {});
  await browser.context.addInitScript(() => {
    delete (window as { showDirectoryPicker?: unknown }).showDirectoryPicker;
  });
  page = await browser.newPage();
  page.setDefaultTimeout(120_000);
  const astronaut = readFileSync(ASTRONAUT);
  for (const name of ['Ann/alone.png', 'Bo/copied.png']) write(name, astronaut);
  write('Ann/both.png', await besideItself(astronaut));
});

afterAll(async () => {
  await browser?.close();
  rmSync(root, { recursive: true, force: true });
});

function write(path: string, content: Buffer): void {
  const file = join(root, 'people', path);
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, content);
}

/** The middle of the photo twice; the second one is mirrored and smaller. */
async function besideItself(photo: Buffer): Promise<Buffer> {
  const url = await page.evaluate(async (base64) => {
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes]), 130, 20, 180, 220);
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [360, 220];
    const context = canvas.getContext('2d')!;
    context.drawImage(bitmap, 0, 0);
    context.scale(-1, 1);
    context.drawImage(bitmap, -340, 30, 140, 171);
    return canvas.toDataURL('image/png');
  }, photo.toString('base64'));
  return Buffer.from(url.slice(url.indexOf(',') + 1), 'base64');
}

async function shoot(name: string): Promise<void> {
  if (!FACENET_SHOTS) return;
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    for (const width of [400, 1280]) {
      await page.setViewportSize({ width, height: 900 });
      await page.waitForTimeout(300);
      await page.screenshot({
        path: join(FACENET_SHOTS, `${name}-${width}-${colorScheme}.png`),
        fullPage: !(await page.locator('dialog[open]').count()),
      });
    }
  }
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize({ width: 1280, height: 900 });
}

const dialog = () => page.getByRole('dialog');

describe.sequential('after an alignment', () => {
  it('points out a photo that is in two folders', async () => {
    await page.goto(`${browser.address}#photos`);
    const choosing = page.waitForEvent('filechooser');
    await page.getByRole('button', { name: 'Choose a folder' }).click();
    await (await choosing).setFiles(join(root, 'people'));
    await page.getByText('More settings').click();
    // Few levels, because this tests the page.
    await page.getByLabel('Smallest face (pixels)').fill('60');
    await page.getByRole('button', { name: 'Align the faces' }).click();
    await page.getByRole('heading', { name: '3 faces' }).waitFor();
    await page.getByText('1 photo is in the folders of several people').waitFor();
    await page.getByText('Which ones').click();
    await page.getByText('Ann/alone.png', { exact: true }).waitFor();
    await page.getByText('Bo/copied.png', { exact: true }).waitFor();
    await shoot('photos-duplicates');
    for (const scheme of ['light', 'dark'] as const) {
      await showColourScheme(page, scheme);
      expect(await axeViolations(page)).toEqual([]);
    }
  });

  it('uses another of the found faces', async () => {
    await page.getByText('1 photo shows several faces', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Check it', exact: true }).click();
    await dialog().getByRole('heading', { name: 'Ann/both.png' }).waitFor();
    const faces = dialog().getByRole('group', { name: 'Which face to use' });
    await faces.waitFor();
    const pressed = (number: number) =>
      faces.getByRole('button', { name: String(number), exact: true }).getAttribute('aria-pressed');
    const first = (await pressed(1)) === 'true' ? 1 : 2;
    const other = 3 - first;
    await faces.getByRole('button', { name: String(other), exact: true }).click();
    await faces.locator(`button[aria-pressed="true"]:text-is("${other}")`).waitFor();
    await shoot('photos-choose-face');
    expect(await axeViolations(page)).toEqual([]);
    await page.getByRole('button', { name: 'Close' }).click();
  });

  it('excludes a photo, remembers it, and includes it again', async () => {
    await page.getByRole('button', { name: /^All 3/ }).click();
    await page.getByRole('button', { name: 'Bo/copied.png: show its photo' }).click();
    await dialog().getByRole('button', { name: 'Exclude this photo' }).click();
    await page.getByRole('button', { name: 'Close' }).click();
    await page.getByRole('heading', { name: '1 excluded photo' }).waitFor();
    await page.getByRole('heading', { name: '2 faces', exact: true }).waitFor();
    await shoot('photos-left-out');
    await page.getByRole('button', { name: 'Align again' }).click();
    await page.getByRole('heading', { name: 'Done: 2 aligned faces' }).waitFor();
    await page.getByRole('button', { name: 'Include Bo/copied.png again' }).click();
    await page.getByRole('heading', { name: '3 faces', exact: true }).waitFor();
    await page.getByRole('heading', { name: 'Done: 3 aligned faces' }).waitFor();
    expect(browser.complaints).toEqual([]);
  });
});
