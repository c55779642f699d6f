/**
 * Using a model as a person does: comparing faces, enrolling people, saving them, and recognising them in photos and
 * in front of the camera. The faces are drawn, and the model is not trained.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { axeViolations, openAllDetails, showColourScheme } from './helpers/page_axe.ts';
import { PageBrowser } from './helpers/page_browser.ts';
import { greyPng } from './helpers/page_png.ts';
import { cameraFilm } from './helpers/camera_film.ts';
import { readSamplePhotos } from './helpers/sample_dataset.ts';
import { smallModelFile, type UploadedFile } from './helpers/small_model.ts';

const PEOPLE = 4;
const PHOTOS_EACH = 4;
const QUERY = `?people=${PEOPLE}&photos=${PHOTOS_EACH}`;
const JOB_LIMIT_MS = 120_000;
const POLL = { timeout: 30_000 };
const film = join(tmpdir(), `facenet-film-${process.pid}.y4m`);

let browser: PageBrowser;
let page: Page;
let photos: UploadedFile[];

beforeAll(async () => {
  browser = await PageBrowser.open({
    extraArguments: [
      '--use-fake-device-for-media-stream',
      '--use-fake-ui-for-media-stream',
      `--use-file-for-fake-video-capture=${film}`,
    ],
  });
  page = await browser.newPage(QUERY);
  page.setDefaultTimeout(60_000);
  page.on('dialog', (dialog) => void dialog.accept());
}, JOB_LIMIT_MS);

afterAll(async () => {
  await browser?.close();
  rmSync(film, { force: true });
});

const matrix = () => page.getByRole('region', { name: 'Distances between the faces' });
const answers = () => page.getByRole('list', { name: 'Identified faces' });
const heading = (name: string | RegExp) => page.getByRole('heading', { name });
const button = (name: string | RegExp) => page.getByRole('button', { name, exact: true });

/** The name in the file's name, as the page shows it. */
const nameOf = (photo: UploadedFile): string => photo.name.replace(/_\d+\.png$/, '').replaceAll('_', ' ');

describe.sequential('using a model', () => {
  it('gets faces to work with', { timeout: JOB_LIMIT_MS }, async () => {
    await button('Try it with sample faces').click();
    const banner = page.getByRole('region', { name: 'Sample run' });
    await banner.getByText('Finding and aligning').waitFor({ timeout: JOB_LIMIT_MS });
    await banner.getByRole('button', { name: 'Stop' }).click();
    await banner.getByText('Stopped.').waitFor({ timeout: JOB_LIMIT_MS });
    photos = await readSamplePhotos(page);
    expect(photos).toHaveLength(PEOPLE * PHOTOS_EACH);
    await page.goto(`${browser.address}${QUERY}#use`);
    await heading('Use').waitFor();
    expect(await axeViolations(page)).toEqual([]);
  });

  it('compares the faces of photos, several on one, and names a photo without', async () => {
    const [first, second] = photos;
    await page
      .getByLabel('Photos to compare: files')
      .setInputFiles([first!, second!, { name: 'wall.png', mimeType: 'image/png', buffer: greyPng(120) }]);
    await page.getByText('Choose a model first.').waitFor();
    expect(await button('Compare').isDisabled()).toBe(true);
    await page.getByLabel('Model file').setInputFiles(await smallModelFile(1));
    await button('Compare').click();
    await matrix().waitFor({ timeout: JOB_LIMIT_MS });
    await page.getByText('No face was found in wall.png.').waitFor();
    expect(await matrix().locator('tbody tr').count()).toBe(2);

    // Two people side by side on one photo.
    const pair = await page.evaluate(
      async (sources) => {
        const canvas = new OffscreenCanvas(500, 250);
        const context = canvas.getContext('2d')!;
        for (const [index, source] of sources.entries()) {
          const bytes = Uint8Array.from(atob(source), (char) => char.charCodeAt(0));
          context.drawImage(await createImageBitmap(new Blob([bytes])), 250 * index, 0);
        }
        const blob = await canvas.convertToBlob({ type: 'image/png' });
        return btoa(
          new Uint8Array(await blob.arrayBuffer()).reduce((s, b) => s + String.fromCharCode(b), ''),
        );
      },
      [photos[4]!, photos[8]!].map(({ buffer }) => buffer.toString('base64')),
    );
    await page
      .getByLabel('Photos to compare: files')
      .setInputFiles({ name: 'both.png', mimeType: 'image/png', buffer: Buffer.from(pair, 'base64') });
    await heading('4 faces in 3 photos').waitFor({ timeout: JOB_LIMIT_MS });
    await expect.poll(() => matrix().locator('tbody tr').count(), POLL).toBe(4);
    await matrix().getByText('face 2 of 2').waitFor();
    const cells = await matrix().locator('tbody td').allInnerTexts();
    expect(cells.filter((text) => text === '–')).toHaveLength(4);

    // The threshold decides who counts as the same person.
    await page.getByLabel('Same person below a distance of').fill('2');
    await page.getByText('6 of 6 pairs are below the threshold.').waitFor();
    await page.getByLabel('Same person below a distance of').fill('0');
    await page.getByText('0 of 6 pairs are below the threshold.').waitFor();

    const downloading = page.waitForEvent('download');
    await button('Download CSV').click();
    const table = readFileSync(await (await downloading).path(), 'utf8')
      .trimEnd()
      .split('\r\n');
    expect(table).toHaveLength(5);
    expect(table[0]).toBe(`,${first!.name},${second!.name},both.png (face 1 of 2),both.png (face 2 of 2)`);
    const values = table.slice(1).map((line) => line.split(',').slice(1).map(Number));
    // The same distances are shown, and the matrix is symmetric.
    values.forEach((row, a) =>
      row.forEach((distance, b) => {
        expect(distance).toBe(values[b]![a]);
        expect(distance > 0).toBe(a !== b);
        if (a !== b) expect(cells[4 * a + b]).toContain(distance.toFixed(2));
      }),
    );

    await button(/^Remove both\.png \(face 1/).click();
    await heading('3 faces in 3 photos').waitFor();
    for (const scheme of ['light', 'dark'] as const) {
      await showColourScheme(page, scheme);
      expect(await axeViolations(page)).toEqual([]);
    }
  });

  it('goes from tab to tab by the keyboard, and the address knows', async () => {
    await page.getByRole('tab', { name: 'Compare' }).focus();
    await page.keyboard.press('ArrowRight');
    await expect.poll(() => page.url(), POLL).toContain('#use/identify');
    await page.getByRole('tab', { name: 'Identify', selected: true }).waitFor();
    await expect
      .poll(
        () => page.getByRole('tab', { name: 'Identify' }).evaluate((tab) => tab === document.activeElement),
        POLL,
      )
      .toBe(true);
    await page.goBack();
    await matrix().waitFor();
    await page.goForward();
    await heading('Enrol people').waitFor();
  });

  it('enrols a folder of people and one by name', async () => {
    await button(new RegExp(`^Sample faces ${PEOPLE} × ${PHOTOS_EACH}`)).click();
    await button('Enrol people').click();
    await heading(`${PEOPLE} people enrolled`).waitFor({ timeout: JOB_LIMIT_MS });
    await heading('Known or unknown?').waitFor();

    await page.getByLabel('One person').check();
    await page.getByLabel('Name', { exact: true }).fill('Somebody Else');
    await page.getByLabel('Photos of the person: files').setInputFiles([photos[0]!]);
    await button('Enrol').click();
    await heading(`${PEOPLE + 1} people enrolled`).waitFor({ timeout: JOB_LIMIT_MS });
    await button('Remove Somebody Else').click();
    await heading(`${PEOPLE} people enrolled`).waitFor();
    // Rates are measured on all of them.
    await page.getByText(`Measured on ${PEOPLE * PHOTOS_EACH} enrolled faces`).waitFor();
  });

  it('says who it is on photos, and that it does not know', async () => {
    await page.getByLabel('Photos to identify: files').setInputFiles([photos[0]!, photos[5]!]);
    await answers().waitFor({ timeout: JOB_LIMIT_MS });
    const names = answers().locator('strong');
    // These are the enrolled photos, so the distance is 0.
    await expect.poll(() => names.allInnerTexts(), POLL).toEqual([nameOf(photos[0]!), nameOf(photos[5]!)]);
    expect(await answers().getByText('distance 0.00').count()).toBe(2);

    await page.getByLabel('Accept a stranger by mistake: at most').selectOption('set my own threshold');
    await page.getByLabel('Give a name below a distance of').fill('0');
    await page.getByLabel('Give a name below a distance of').blur();
    await expect.poll(() => names.allInnerTexts(), POLL).toEqual(['Unknown', 'Unknown']);
    await page.getByLabel('Accept a stranger by mistake: at most').selectOption('1 in 10');
    await expect.poll(() => names.allInnerTexts(), POLL).toEqual([nameOf(photos[0]!), nameOf(photos[5]!)]);
    await page.getByLabel('Method').selectOption('linear support vector machine');
    await answers().getByText('probability').first().waitFor();
  });

  it('tests itself on photos that were held back', async () => {
    await page.getByLabel('Method').selectOption('nearest enrolled faces');
    await button('Test').click();
    const confusion = page.getByRole('region', { name: 'Confusion matrix' });
    await confusion.waitFor();
    const counts = (await confusion.locator('tbody td').allInnerTexts()).map((text) => Number(text) || 0);
    expect(counts).toHaveLength(PEOPLE * (PEOPLE + 1));
    const right = counts.filter((_, cell) => cell % (PEOPLE + 2) === 0).reduce((a, b) => a + b);
    const tested = PEOPLE * (PHOTOS_EACH - 2);
    expect(counts.reduce((a, b) => a + b)).toBe(tested);
    const result = page.locator('dl[aria-label="Test result"]');
    expect(await result.innerText()).toContain(`${right} of ${tested} faces`);
    await openAllDetails(page);
    for (const scheme of ['light', 'dark'] as const) {
      await showColourScheme(page, scheme);
      expect(await axeViolations(page)).toEqual([]);
    }
  });

  it('keeps people over a reload, as a file too, and only for their model', async () => {
    const downloading = page.waitForEvent('download');
    await button('Save to a file').click();
    const file = await (await downloading).path();
    expect(readFileSync(file, 'utf8')).toContain('"format":"facenet-webgpu-trainer gallery"');
    await button('Save in this browser').click();
    await button('Saved in this browser').waitFor();
    await page.reload();
    await button(`Open: ${PEOPLE} people, ${PEOPLE * PHOTOS_EACH} faces`).click();
    await heading(`${PEOPLE} people enrolled`).waitFor();

    await page.getByLabel('Model file').setInputFiles(await smallModelFile(2));
    await page.getByLabel('Photos to identify: files').setInputFiles([photos[0]!]);
    await page.getByRole('alert').getByText('a different model').waitFor({ timeout: JOB_LIMIT_MS });
    await page.getByLabel('Model file').setInputFiles(await smallModelFile(1));
    await page.getByLabel('Photos to identify: files').setInputFiles([photos[0]!]);
    await answers().getByText(nameOf(photos[0]!)).waitFor({ timeout: JOB_LIMIT_MS });

    await button('Remove all').first().click();
    await page.getByRole('dialog').getByRole('button', { name: 'Remove all' }).click();
    await heading('What you will get').waitFor();
    await page.getByLabel('File with people').setInputFiles(file);
    await heading(`${PEOPLE} people enrolled`).waitFor();
  });

  it('recognises who is before the camera', async () => {
    const picture = await page.evaluate(async (source) => {
      const canvas = new OffscreenCanvas(640, 480);
      const context = canvas.getContext('2d')!;
      context.fillStyle = '#888';
      context.fillRect(0, 0, 640, 480);
      const bytes = Uint8Array.from(atob(source), (char) => char.charCodeAt(0));
      context.drawImage(await createImageBitmap(new Blob([bytes])), 120, 40, 400, 400);
      const { data } = context.getImageData(0, 0, 640, 480);
      return btoa(data.reduce((s, b) => s + String.fromCharCode(b), ''));
    }, photos[0]!.buffer.toString('base64'));
    writeFileSync(film, cameraFilm(Buffer.from(picture, 'base64'), 640, 480));
    await button('Use the camera').click();
    await page.getByText('pictures per second').waitFor({ timeout: JOB_LIMIT_MS });
    const face = page.locator('.picture .face');
    await expect.poll(() => face.count(), POLL).toBe(1);
    await expect.poll(() => face.innerText(), POLL).toContain(nameOf(photos[0]!));
    // The box is on the face, which is in the middle of the picture.
    const [box, video] = [await face.boundingBox(), await page.locator('video').boundingBox()];
    expect(box!.x + box!.width / 2 - video!.x).toBeGreaterThan(video!.width * 0.35);
    expect(box!.x + box!.width / 2 - video!.x).toBeLessThan(video!.width * 0.65);
    expect(await axeViolations(page)).toEqual([]);
    await button('Stop').click();
    await expect.poll(() => page.locator('video').count(), POLL).toBe(0);
    // On another page, the camera is switched off.
    await button('Use the camera').click();
    await page.getByText('pictures per second').waitFor({ timeout: JOB_LIMIT_MS });
    const track = await page
      .locator('video')
      .evaluateHandle((video: HTMLVideoElement) => (video.srcObject as MediaStream).getTracks()[0]!);
    expect(await track.evaluate(({ readyState }) => readyState)).toBe('live');
    await page.getByRole('tab', { name: 'Compare' }).click();
    await page.getByLabel('Photos to compare: files').waitFor({ state: 'attached' });
    expect(await track.evaluate(({ readyState }) => readyState)).toBe('ended');
    await page.getByRole('tab', { name: 'Identify' }).click();
  });

  it.each([
    ['NotAllowedError', 'This page may not use the camera.'],
    ['NotFoundError', 'No camera was found.'],
    ['NotReadableError', 'Another program is using the camera'],
  ])('says what to do about a camera that gives %s', async (name, message) => {
    await page.evaluate((error) => {
      navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', error));
    }, name);
    await page
      .getByRole('button', { name: /Use the camera|Try again/ })
      .first()
      .click();
    await page.getByRole('alert').getByText(message).waitFor();
    expect(await axeViolations(page)).toEqual([]);
  });

  it('leaves nothing behind when everything is deleted', async () => {
    await page.goto(`${browser.address}${QUERY}#models`);
    await button('Delete everything').click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete everything' }).click();
    await heading('Photos')
      .or(page.getByRole('button', { name: 'Try it with sample faces' }))
      .first()
      .waitFor();
    await page.goto(`${browser.address}${QUERY}#use/identify`);
    await page.getByText('No saved people yet.').waitFor();
  });

  it('asked no other origin for anything, and nothing went wrong', () => {
    expect(browser.violations).toEqual([]);
    expect(browser.complaints.filter((text) => !text.includes('a different model'))).toEqual([]);
  });
});
