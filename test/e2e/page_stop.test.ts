/** Stop ends what a person began by mistake: here an evaluation with images that take half a minute per batch. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeDrawnFaces } from './helpers/drawn_faces.ts';
import { PageBrowser } from './helpers/page_browser.ts';
import { smallModelFile } from './helpers/small_model.ts';

const JOB_LIMIT_MS = 120_000;
const STOP_LIMIT_MS = 20_000;

let browser: PageBrowser;
let page: Page;
let root: string;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'facenet-stop-'));
  browser = await PageBrowser.open({ reducedMotion: 'reduce' });
  await browser.context.addInitScript(() => {
    // Playwright can set the files of an input, but not of the browser's file picker.
    delete (window as { showDirectoryPicker?: unknown }).showDirectoryPicker;
  });
  page = await browser.newPage('#evaluate');
  page.setDefaultTimeout(JOB_LIMIT_MS);
  await writeDrawnFaces(page, join(root, 'faces'), { people: 6, photos: 8, sizePx: 96 });
  await page.getByRole('radio', { name: /^A model file/ }).check();
  await page.locator('input[type=file][aria-label="Model file"]').setInputFiles(await smallModelFile(1));
  await page
    .getByLabel('Folder of aligned faces for the pairs: folder', { exact: true })
    .setInputFiles(join(root, 'faces'));
  await page.getByLabel('Pairs per fold').fill('8');
  await page.getByLabel('Folds').fill('4');
  await page.getByText('More settings').click();
});

afterAll(async () => {
  await browser?.close();
  rmSync(root, { recursive: true, force: true });
});

const evaluate = () => page.getByRole('button', { name: 'Evaluate', exact: true });
const imageSize = () => page.getByLabel('Image size (pixels)');

describe.sequential('an evaluation with images of 1024 pixels', () => {
  it('ends when it is stopped, in the middle of a batch', { timeout: JOB_LIMIT_MS }, async () => {
    await imageSize().fill('1024');
    await page.getByLabel('Images per batch').fill('6');
    await evaluate().click();
    await page.getByRole('progressbar', { name: 'Evaluating' }).waitFor();
    // Photos have been read by then, and the network is busy or about to be.
    await page.getByText(/^Loading the model/).waitFor();
    await page.waitForTimeout(3000);
    await page.getByRole('button', { name: 'Stop' }).click();
    // A batch takes longer than this and cannot be interrupted, so the worker is ended.
    await evaluate().waitFor({ timeout: STOP_LIMIT_MS });
    expect(await page.getByRole('alert').count()).toBe(0);
    expect(await page.getByRole('heading', { name: 'Result' }).count()).toBe(0);
  });

  it('leaves the page ready for the next one', { timeout: JOB_LIMIT_MS }, async () => {
    await imageSize().fill('');
    await evaluate().click();
    await page.getByRole('heading', { name: 'Result' }).waitFor();
    expect(browser.complaints).toEqual([]);
  });
});
