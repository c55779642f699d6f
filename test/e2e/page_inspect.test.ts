/**
 * A dataset with one photo in another person's folder. The page suspects it first, one click leaves it out, and
 * training has one photo fewer.
 */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sampleFiles } from '../../workers/jobs/sample_faces/sample_dataset.ts';
import { axeViolations, openAllDetails, showColourScheme } from './helpers/page_axe.ts';
import { PageBrowser } from './helpers/page_browser.ts';
import { makeSampleDataset } from './helpers/sample_dataset.ts';
import { smallModelFile } from './helpers/small_model.ts';

const SAMPLE = { seed: 1, people: 4, photosPerPerson: 6 };
const PHOTOS = SAMPLE.people * SAMPLE.photosPerPerson;
const people = [...new Set(sampleFiles(SAMPLE).map(({ path }) => path.split('/')[0]!))].sort();
const MISPLACED = `${people[0]!}/${people[0]!}_0099.png`;
const JOB_LIMIT_MS = 90_000;
const POLL = { timeout: 30_000 };

let browser: PageBrowser;
let page: Page;

beforeAll(async () => {
  browser = await PageBrowser.open();
  await makeSampleDataset(browser.context, browser.address, SAMPLE, [
    { from: `${people[1]!}/${people[1]!}_0002.png`, to: MISPLACED },
  ]);
  page = await browser.newPage('#use/inspect');
  page.setDefaultTimeout(60_000);
});

afterAll(() => browser?.close());

const heading = (name: string | RegExp) => page.getByRole('heading', { name });
const suspects = () => page.getByRole('list', { name: 'Photos, most suspicious first' });

/** The number above the word. */
const fact = (word: string) =>
  page.locator('dt', { hasText: new RegExp(`^\\s*${word}\\s*$`) }).locator('xpath=following-sibling::dd');

async function chooseDataset(): Promise<void> {
  await page.getByRole('button', { name: /^Sample faces 4 × 6/ }).click();
  await fact('(photos|images)').first().waitFor();
}

describe.sequential('inspecting a dataset', () => {
  it('finds the photo in another person’s folder', { timeout: JOB_LIMIT_MS }, async () => {
    await page.getByText('Choose a model first.').waitFor();
    await chooseDataset();
    await page.getByLabel('Model file').setInputFiles(await smallModelFile(1));
    await page.getByRole('button', { name: 'Inspect the photos' }).click();
    await heading('Likely mislabelled').waitFor({ timeout: JOB_LIMIT_MS });
    const first = suspects().getByRole('button').first();
    expect(await first.getAttribute('aria-label')).toBe(`Exclude: ${MISPLACED}`);
    const cell = suspects().getByRole('listitem').first();
    expect(await cell.innerText()).toMatch(new RegExp(`filed under\\s+${people[0]!.replaceAll('_', ' ')}`));
    await expect.poll(() => cell.locator('canvas').count(), POLL).toBe(3);
  });

  it('excludes it with one click, and includes it again with another', async () => {
    expect(await fact('photos').innerText()).toBe(String(PHOTOS));
    await page.getByRole('button', { name: `Exclude: ${MISPLACED}` }).click();
    await heading('1 excluded photo').waitFor();
    await expect.poll(() => fact('photos').innerText(), POLL).toBe(String(PHOTOS - 1));
    expect(await page.getByRole('status').allInnerTexts()).toContainEqual(
      `${MISPLACED}: excluded. The dataset has ${PHOTOS - 1} photos.`,
    );
    await suspects()
      .getByRole('button', { name: `Include again: ${MISPLACED}` })
      .click();
    await heading('1 excluded photo').waitFor({ state: 'detached' });
    expect(await fact('photos').innerText()).toBe(String(PHOTOS));
    await page.getByRole('button', { name: `Exclude: ${MISPLACED}` }).click();
    await heading('1 excluded photo').waitFor();
  });

  it('measures again without it, from the embeddings that it has', async () => {
    await page.getByRole('button', { name: 'Measure again' }).click();
    await page.getByText('You have changed which photos are included').waitFor({ state: 'detached' });
    await expect.poll(() => page.getByRole('progressbar').count(), POLL).toBe(0);
    const names = await suspects()
      .getByRole('button')
      .evaluateAll((buttons) => buttons.map((button) => button.getAttribute('aria-label')));
    expect(names.some((name) => name?.includes(MISPLACED))).toBe(false);
  });

  it('shows the photos on a map that mouse and keys move', async () => {
    const map = page.getByRole('application', { name: `Map of ${PHOTOS} photos` });
    await map.scrollIntoViewIfNeeded();
    const drawn = () =>
      map.locator('canvas').evaluate((canvas) => {
        const { width, height } = canvas as HTMLCanvasElement;
        const { data } = (canvas as HTMLCanvasElement).getContext('2d')!.getImageData(0, 0, width, height);
        // A number that depends on the colours and their places, so that it differs between pictures.
        return data.reduce((sum, value, at) => (sum + value * (at % 65521)) % 1e9, 0);
      });
    await expect.poll(drawn, POLL).toBeGreaterThan(0);
    // Faces appear as they are read.
    await page.waitForTimeout(1000);
    const whole = await drawn();
    await map.focus();
    await page.keyboard.press('+');
    await page.keyboard.press('ArrowLeft');
    await expect.poll(drawn, POLL).not.toBe(whole);
    await page.keyboard.press('Enter');
    const chosen = page.getByRole('group', { name: 'Selected photo' });
    await chosen.getByRole('button', { name: 'Exclude' }).waitFor();
    await page.keyboard.press('Escape');
    await chosen.waitFor({ state: 'detached' });
    await page.keyboard.press('0');
    await expect.poll(drawn, POLL).toBe(whole);
    const box = (await map.boundingBox())!;
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width / 2 + 80, box.y + box.height / 2 + 40, { steps: 4 });
    await page.mouse.up();
    await expect.poll(drawn, POLL).not.toBe(whole);
    await page.getByRole('button', { name: 'All', exact: true }).click();

    await page.getByLabel('Find a person').fill(people[1]!.replaceAll('_', ' '));
    await page.getByText('1 person, 5 photos').waitFor();
    await page.getByText('Show as a table').click();
    const table = page.locator('table', { hasText: 'median distance' });
    await expect.poll(() => table.locator('tbody tr').count(), POLL).toBe(1);
    await page.getByLabel('Find a person').fill('');
    await expect.poll(() => table.locator('tbody tr').count(), POLL).toBe(SAMPLE.people);
  });

  it('lays the map out by neighbourhood', async () => {
    await page.getByLabel('Layout').selectOption('neighbours');
    await page.getByText('Similar photos appear close together').waitFor();
    await expect.poll(() => page.getByRole('progressbar').count(), POLL).toBe(0);
    expect(await page.getByRole('alert').count()).toBe(0);
    await page.getByLabel('Layout').selectOption('components');
    await page.getByText('The axes are the two directions in which').waitFor();
  });

  it('is clean for axe in light and in dark', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      await showColourScheme(page, colorScheme);
      await openAllDetails(page);
      expect(await axeViolations(page)).toEqual([]);
    }
    await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'no-preference' });
  });

  it('trains without it, also after a reload', { timeout: JOB_LIMIT_MS }, async () => {
    await page.goto(`${browser.address}?max_nrof_epochs=1&epoch_size=1&batch_size=4#train`);
    await page.reload();
    await chooseDataset();
    await page.getByText('1 photo excluded.').waitFor();
    expect(await fact('images').innerText()).toBe(String(PHOTOS - 1));
    await page.getByText('All settings').click();
    await page.getByLabel('Network', { exact: true }).selectOption('SqueezeNet');
    await page.getByLabel('Images per batch').fill('4');
    await page.getByLabel('Steps per epoch').fill('1');
    await page.getByLabel('Maximum epochs').fill('1');
    await page.getByRole('button', { name: 'Start training' }).click();
    await page
      .getByRole('log')
      .getByText(`${SAMPLE.people} classes, ${PHOTOS - 1} images`)
      .waitFor({ timeout: JOB_LIMIT_MS });
    await page.getByRole('button', { name: 'Evaluate this model' }).waitFor({ timeout: JOB_LIMIT_MS });
    await page.getByRole('button', { name: 'New run' }).click();
    await page.getByRole('button', { name: 'Include it again' }).click();
    await expect.poll(() => fact('images').innerText(), POLL).toBe(String(PHOTOS));
  });

  it('asked no other origin for anything, and nothing went wrong', () => {
    expect(browser.foreignRequests).toEqual([]);
    expect(browser.complaints).toEqual([]);
  });
});
