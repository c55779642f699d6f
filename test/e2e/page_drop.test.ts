/** Files that are dropped next to the drop area, together with a folder, or instead of one. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PageBrowser } from './helpers/page_browser.ts';
import { greyPng } from './helpers/page_png.ts';

let browser: PageBrowser;
let page: Page;
let root: string;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'facenet-drop-'));
  mkdirSync(join(root, 'people', 'Ada'), { recursive: true });
  writeFileSync(join(root, 'people', 'Ada', 'a.png'), greyPng(40));
  writeFileSync(join(root, 'loose.png'), greyPng(40));
  browser = await PageBrowser.open();
  page = await browser.newPage('#photos');
  await page.getByRole('button', { name: 'Choose a folder' }).waitFor();
});

afterAll(async () => {
  await browser?.close();
  rmSync(root, { recursive: true, force: true });
});

/** Drops files like the browser itself, in the upper left corner of the window. */
async function drop(...names: string[]): Promise<void> {
  const devTools = await page.context().newCDPSession(page);
  const data = { items: [], files: names.map((name) => join(root, name)), dragOperationsMask: 1 };
  for (const type of ['dragEnter', 'dragOver', 'drop'] as const)
    await devTools.send('Input.dispatchDragEvent', { type, x: 4, y: 4, data });
  await devTools.detach();
}

describe.sequential('what is dropped in the window', () => {
  it('is named if it is not a folder, and the browser does not open it', async () => {
    await drop('loose.png');
    await page.getByText('“loose.png” is a file, not a folder.').waitFor();
    await page.getByText('Please drop a folder', { exact: true }).waitFor();
    expect(browser.context.pages().map((one) => one.url())).not.toContainEqual(
      expect.stringContaining('loose.png'),
    );
  });

  it('is taken as if it had been dropped onto the box, without the photo beside the folder', async () => {
    await drop('people', 'loose.png');
    await page.getByRole('heading', { name: 'Ready to align 1 photo' }).waitFor();
    await page.getByText('1 file not used').waitFor();
    await page.getByText('Only folders can be dropped here, so “loose.png” was ignored').waitFor();
  });

  it('is not opened by the browser if the page has no place for it', async () => {
    await page.goto(`${browser.address}#privacy`);
    await page.getByRole('heading', { level: 1 }).waitFor();
    await drop('loose.png');
    expect(browser.context.pages().map((one) => one.url())).not.toContainEqual(
      expect.stringContaining('loose.png'),
    );
  });
});
