/**
 * The main job as a person does it: one click, faces, charts, a result and a download; a reload in the middle of
 * training. Nothing leaves the machine, and assistive technology can read everything.
 */
import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { axeViolations, openAllDetails, showColourScheme } from './helpers/page_axe.ts';
import { PageBrowser } from './helpers/page_browser.ts';
import { readSamplePhotos } from './helpers/sample_dataset.ts';

/** Few people, few steps: the same path as the whole sample run. */
const SMALL = '?people=4&photos=4&max_nrof_epochs=2&epoch_size=2&batch_size=8';
const JOB_LIMIT_MS = 300_000;
const POLL = { timeout: 30_000 };
/** Compare cuts faces out of photos more tightly than those for the evaluation. A difference of 3.9 has occurred. */
const TOLERANCE_PERCENT = 12;

let browser: PageBrowser;
let page: Page;

beforeAll(async () => {
  browser = await PageBrowser.open();
  page = await browser.newPage(SMALL);
  page.setDefaultTimeout(60_000);
  page.on('dialog', (dialog) => void dialog.accept());
});

afterAll(async () => {
  await browser?.close();
});

const heading = (text: string | RegExp) => page.getByRole('heading', { name: text });

/** The element with the keyboard focus. */
const focused = () => page.evaluate(() => document.activeElement?.textContent?.trim());

/** The value of the number with the label `label`. */
async function metric(label: string): Promise<string> {
  return page
    .locator('dt')
    .filter({ has: page.getByRole('button', { name: label, exact: true }) })
    .locator('xpath=following-sibling::dd')
    .innerText();
}

describe.sequential('the main job', () => {
  it('goes from sample faces to a model in one click', { timeout: JOB_LIMIT_MS }, async () => {
    // The sample run does not wait for the test, so watch for each state before the run starts.
    const passesBy = Promise.all([
      page.getByRole('progressbar', { name: 'Drawing sample faces' }).waitFor({ timeout: JOB_LIMIT_MS }),
      page
        .getByRole('list', { name: 'Aligned faces' })
        .getByRole('img')
        .first()
        .waitFor({ timeout: JOB_LIMIT_MS }),
      heading('Result').waitFor({ timeout: JOB_LIMIT_MS }),
    ]);
    // If the job fails, a later line reports the failure.
    passesBy.catch(() => undefined);
    await page.getByRole('button', { name: 'Try it with sample faces' }).click();

    await heading(/^Run \d{8}-\d{6}/).waitFor({ timeout: JOB_LIMIT_MS });
    const log = page.getByRole('log');
    await log.getByText('Epoch: [1][1/2]').waitFor({ timeout: JOB_LIMIT_MS });
    const chart = page.getByRole('figure', { name: 'Cross entropy' });
    await expect.poll(() => chart.locator('canvas').count(), POLL).toBe(1);
    const first = await metric('Cross entropy');
    expect(Number.parseFloat(first)).toBeGreaterThan(0);
    expect(await chart.innerText()).toContain('ln(4) = 1.39');
    // The charts and numbers change with the steps.
    await log.getByText('Epoch: [2][1/2]').waitFor({ timeout: JOB_LIMIT_MS });
    await expect.poll(() => metric('Cross entropy'), POLL).not.toBe(first);
    await chart.getByText('Table').click();
    await expect.poll(() => chart.locator('tbody tr').count(), POLL).toBeGreaterThan(1);
    await log.getByText('Checkpoint saved at step 2').waitFor();
    expect(await axeViolations(page)).toEqual([]);

    // The sample run continues by itself: evaluation, then export.
    const banner = page.getByRole('region', { name: 'Sample run' });
    await banner.getByText('Done').waitFor({ timeout: JOB_LIMIT_MS });

    await passesBy;
    await heading('Models').waitFor();
    expect(await page.getByText('TensorFlow.js ran the files').innerText()).toMatch(/at most 0|at most \dE-/);
  });

  it('shows what each step did', async () => {
    const steps = page.getByRole('navigation', { name: 'Steps' });
    await steps.getByRole('link', { name: /Photos/ }).click();
    await heading(/^Done: \d+ aligned faces/).waitFor();
    const title = await heading(/^Done: \d+ aligned faces/).innerText();
    const count = Number(/\d+/.exec(title)![0]);
    expect(count).toBeGreaterThanOrEqual(14);
    const faces = page.getByRole('list', { name: 'Aligned faces' }).getByRole('button');
    await expect.poll(() => faces.count(), POLL).toBe(count);

    // A face opens its photo, with the box and the five landmarks of each face found in it.
    await faces.first().focus();
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('Enter');
    const viewer = page.getByRole('dialog');
    const overlay = viewer.getByRole('img', { name: /found in/ });
    await overlay.waitFor();
    const found = Number(/^\d+/.exec((await overlay.getAttribute('aria-label'))!)![0]);
    expect(await overlay.locator('circle').count()).toBe(5 * found);
    await expect.poll(() => viewer.locator('canvas').count(), POLL).toBe(2);
    expect(await axeViolations(page)).toEqual([]);
    await viewer.getByRole('button', { name: 'Next' }).click();
    await viewer.getByText(new RegExp(`^3 of ${count}$`)).waitFor();
    await page.keyboard.press('Escape');

    await steps.getByRole('link', { name: /Evaluate/ }).click();
    await heading('Result').waitFor();
    const accuracy = Number.parseFloat(await metric('Pair accuracy'));
    expect(accuracy).toBeGreaterThan(0);
    expect(accuracy).toBeLessThanOrEqual(100);
    const roc = page.getByRole('figure', { name: 'ROC curve' });
    expect(await roc.locator('canvas').count()).toBe(1);
    await page.getByLabel('Logarithmic axis').check();
    await roc.getByText('Table').click();
    await expect.poll(() => roc.locator('tbody tr').count(), POLL).toBeGreaterThan(1);
    await page.getByLabel('Logarithmic axis').uncheck();

    // From a result to the export form of its model.
    await page.getByRole('link', { name: 'Export the model' }).click();
    await heading('Models').waitFor();
    await expect.poll(focused, POLL).toBe('Export');
    expect(await page.getByLabel('Format').isVisible()).toBe(true);
  });

  it('decides in Use as the evaluation measured', { timeout: JOB_LIMIT_MS }, async () => {
    const photos = await readSamplePhotos(page);
    await page.goto(`${browser.address}${SMALL}#use/compare`);
    // The threshold that the evaluation measured is used by default, and is the one on offer.
    const offer = page.getByRole('button', { name: /^[\d.]+ · Sample faces .*%$/ });
    expect(await offer.getAttribute('aria-pressed')).toBe('true');
    const [, offered, percent] = /^([\d.]+) · .* · ([\d.]+)%$/.exec(await offer.innerText())!;
    const threshold = Number(await page.getByLabel('Same person below a distance of').inputValue());
    expect(Math.abs(threshold - Number(offered))).toBeLessThan(0.006);

    // A model is chosen, so the photos are processed at once.
    await page.getByLabel('Photos to compare: files').setInputFiles(photos);
    const downloading = page.waitForEvent('download', { timeout: JOB_LIMIT_MS });
    await page.getByRole('button', { name: 'Download CSV' }).click({ timeout: JOB_LIMIT_MS });
    const [head, ...rows] = readFileSync(await (await downloading).path(), 'utf8')
      .trimEnd()
      .split('\r\n')
      .map((line) => line.split(','));
    const personOf = (name: string): string => name.replace(/_\d+\.png.*$/, '');
    const right = { same: [] as boolean[], different: [] as boolean[] };
    rows.forEach(([name, ...distances], row) =>
      distances.slice(0, row).forEach((distance, column) => {
        const isSame = personOf(name!) === personOf(head![column + 1]!);
        right[isSame ? 'same' : 'different'].push(Number(distance) < threshold === isSame);
      }),
    );
    const share = (answers: readonly boolean[]): number => answers.filter(Boolean).length / answers.length;
    // An evaluation has as many pairs of one person as of two.
    const balanced = (share(right.same) + share(right.different)) / 2;
    expect(Math.abs(100 * balanced - Number(percent))).toBeLessThan(TOLERANCE_PERCENT);
  });

  it('hands over the export as a zip file', async () => {
    await page.goto(`${browser.address}${SMALL}#models`);
    const downloading = page.waitForEvent('download');
    await page.getByRole('link', { name: /^Download .*tfjs\.zip/ }).click();
    const download = await downloading;
    expect(download.suggestedFilename()).toMatch(/^\d{8}-\d{6}-tfjs\.zip$/);
    const zip = readFileSync(await download.path());
    expect(zip.subarray(0, 2).toString('latin1')).toBe('PK');
    // Every value of the network is in it, as float32.
    expect(zip.length).toBeGreaterThan(80_000_000);
    expect(zip.includes('model.json')).toBe(true);
    expect(zip.includes('.png')).toBe(false);
  });

  it.each(['photos', 'train', 'evaluate', 'models', 'privacy'])(
    'is clean for axe on the page %s, in light and in dark',
    async (name) => {
      await page.goto(`${browser.address}${SMALL}#${name}`);
      await page.getByRole('heading', { level: 1 }).waitFor();
      for (const colorScheme of ['light', 'dark'] as const) {
        await showColourScheme(page, colorScheme);
        await openAllDetails(page);
        expect(await axeViolations(page)).toEqual([]);
      }
      await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'no-preference' });
    },
  );

  it('resumes a run after a reload in the middle', { timeout: JOB_LIMIT_MS }, async () => {
    await page.goto(`${browser.address}#train`);
    await page.getByRole('button', { name: /^Sample faces 4 × 4 aligned/ }).click();
    await page.getByLabel('Maximum epochs').fill('3');
    await page.getByLabel('Steps per epoch').fill('2');
    await page.getByLabel('Images per batch').fill('8');
    await page.getByRole('button', { name: 'Start training' }).click();
    const log = page.getByRole('log');
    await heading(/^Run \d{8}-\d{6}/).waitFor();
    // The button was far down, but the run is shown from its top.
    await expect.poll(() => page.evaluate(() => window.scrollY), POLL).toBe(0);
    await log.getByText('Checkpoint saved at step 2').waitFor({ timeout: JOB_LIMIT_MS });
    const runName = await heading(/^Run \d{8}-\d{6}/).innerText();
    const line = await log.getByText('Epoch: [1][2/2]').innerText();

    await page.reload();
    const banner = page.getByRole('region', { name: 'Interrupted run' });
    await banner.getByText('was interrupted').waitFor();
    await banner.getByRole('button', { name: 'Resume' }).click();
    await log.getByText('Resuming run').waitFor({ timeout: JOB_LIMIT_MS });
    expect(await heading(/^Run \d{8}-\d{6}/).innerText()).toBe(runName);
    // The measurements from before the reload are still there, and the others are added.
    expect(await log.getByText('Epoch: [1][2/2]').innerText()).toBe(line);
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByRole('button', { name: 'Resume' }).waitFor({ timeout: JOB_LIMIT_MS });
    // The keyboard stays where it was.
    await expect.poll(focused, POLL).toBe('Resume');
    expect(
      await page.getByRole('progressbar', { name: 'Training' }).getAttribute('aria-valuetext'),
    ).toContain('paused');
    await page.getByRole('button', { name: 'Resume' }).click();
    await log.getByText('Epoch: [3][2/2]').waitFor({ timeout: JOB_LIMIT_MS });
    await page.getByRole('button', { name: 'Evaluate this model' }).waitFor({ timeout: JOB_LIMIT_MS });
    expect(await page.getByRole('progressbar', { name: 'Training' }).getAttribute('aria-valuenow')).toBe('6');
  });

  it('asked no other origin for anything, and nothing went wrong', () => {
    expect(browser.requests.length).toBeGreaterThan(10);
    expect(browser.foreignRequests).toEqual([]);
    expect(browser.violations).toEqual([]);
    expect(browser.complaints).toEqual([]);
  });

  it('would have noticed a request of a worker, and one that the policy refuses', async () => {
    // The worker lives until its report has arrived. Otherwise unsent data would be lost.
    const worker = await page.evaluateHandle(async () => {
      const source = "fetch('https://elsewhere.example/').catch(() => 0).finally(() => postMessage(0))";
      const url = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
      const asking = new Worker(url);
      await new Promise((resolve) => {
        asking.onmessage = resolve;
      });
      return asking;
    });
    await expect.poll(() => browser.violations.join(), { timeout: 20_000 }).toContain('elsewhere.example');
    await worker.evaluate((asking) => asking.terminate());
    // A page without the policy may do this, and then the proxy records it.
    const free = await browser.context.newPage();
    await free.goto('data:text/html,<title>free</title>');
    await free.evaluate(() => fetch('http://elsewhere.example/', { mode: 'no-cors' }).catch(() => 0));
    await free.close();
    expect(browser.foreignRequests.join()).toContain('elsewhere.example');
  });
});
