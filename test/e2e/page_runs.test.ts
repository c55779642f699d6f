/**
 * Settings and runs without training. The test writes the stored data itself, so a run may have half a million steps.
 */
import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { presetOptions } from '../../workers/protocol/train/presets.ts';
import { axeViolations, openAllDetails, showColourScheme } from './helpers/page_axe.ts';
import { PageBrowser } from './helpers/page_browser.ts';

const LONG_RUN = '20260101-100000';
const SHORT_RUN = '20260102-100000';
const LONG_STEPS = 500_000;

let browser: PageBrowser;
let page: Page;

beforeAll(async () => {
  browser = await PageBrowser.open();
  page = await browser.newPage();
  page.setDefaultTimeout(60_000);
  await page.getByRole('button', { name: 'Try it with sample faces' }).waitFor();
  await storeRun(LONG_RUN, LONG_STEPS, 1000, { max_nrof_epochs: 500, batch_size: 90 });
  await storeRun(SHORT_RUN, 400, 20, { max_nrof_epochs: 40, batch_size: 32 });
  await page.goto(`${browser.address}#train`);
  await page.reload();
  await page.getByRole('heading', { name: 'Your runs' }).waitFor();
});

afterAll(() => browser?.close());

/** Writes the stored data of a run whose loss stays near guessing and has one peak. */
async function storeRun(
  id: string,
  stepCount: number,
  epochSize: number,
  changes: { max_nrof_epochs: number; batch_size: number },
): Promise<void> {
  const options = { ...presetOptions('guide'), epoch_size: epochSize, ...changes };
  await page.evaluate(
    async (run) => {
      // The page creates the database with its stores. If this opened it before, it would be empty.
      while (!(await indexedDB.databases()).some(({ name }) => name === 'facenet'))
        await new Promise((resolve) => setTimeout(resolve, 50));
      const database = await new Promise<IDBDatabase>((resolve, reject) => {
        const request = indexedDB.open('facenet');
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(new Error('no database'));
      });
      const BLOCK = 5000;
      for (let first = 1; first <= run.stepCount; first += BLOCK) {
        const transaction = database.transaction(
          ['steps', 'runs', 'validations', 'evaluations'],
          'readwrite',
        );
        const records = [];
        for (let step = first; step < Math.min(first + BLOCK, run.stepCount + 1); step++)
          records.push({
            step,
            epoch: Math.floor((step - 1) / run.epochSize) + 1,
            batch: ((step - 1) % run.epochSize) + 1,
            totalLoss: step === 200 ? 50 : 3 + Math.sin(step),
            crossEntropy: 2.3 + 0.1 * Math.sin(step / 7),
            regularization: 0.5,
            prelogitsNorm: 0.1,
            centerLoss: 0,
            accuracy: 0.1,
            learningRate: step > run.stepCount / 2 ? 0.005 : 0.05,
            stepMs: 100,
            dataWaitMs: 5,
          });
        transaction.objectStore('steps').put({ runId: run.id, firstStep: first, records });
        if (first === 1) {
          for (const epoch of [1, 2]) {
            const step = epoch * run.epochSize;
            transaction
              .objectStore('validations')
              .put({ runId: run.id, step, epoch, crossEntropy: 2.4, accuracy: 0.1 });
            transaction
              .objectStore('evaluations')
              .put({ runId: run.id, step, epoch, accuracy: 0.6, valRate: 0.2 });
          }
          transaction.objectStore('runs').put({
            id: run.id,
            createdAt: run.createdAt,
            status: 'finished',
            options: run.options,
            datasetName: 'people',
            classNames: Array.from({ length: 10 }, (_, index) => `person ${index}`),
            imageCount: 100,
            data: [],
            step: run.stepCount,
            epoch: Math.ceil(run.stepCount / run.epochSize),
            device: 'test',
          });
        }
        await new Promise<void>((resolve, reject) => {
          transaction.oncomplete = () => resolve();
          transaction.onabort = () => reject(new Error('not written'));
        });
      }
      database.close();
    },
    { id, stepCount, epochSize, options, createdAt: Date.parse('2026-01-01') + (id === LONG_RUN ? 0 : 1) },
  );
}

async function expectClean(): Promise<void> {
  for (const colorScheme of ['light', 'dark'] as const) {
    await showColourScheme(page, colorScheme);
    await openAllDetails(page);
    expect(await axeViolations(page)).toEqual([]);
  }
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'no-preference' });
}

describe.sequential('settings', () => {
  it('marks every bad line of the schedule and draws the others', async () => {
    await page.getByText('All settings').click();
    const schedule = page.getByLabel('Learning rate schedule');
    await schedule.fill('0: 0.05\nsoon: less\n3: 0.01\n4\n');
    await page.getByText('Line 4 of the learning rate schedule').waitFor();
    expect(await page.locator('.gutter .bad').allInnerTexts()).toEqual(['2', '4']);
    expect(await page.getByRole('alert').innerText()).toContain('Learning rate schedule');
    await schedule.fill('0: 0.05\n3: 0.01\n4: -\n');
    await page.getByText('The run ends before epoch 4.').waitFor();
    const curve = page.getByRole('figure', { name: 'Planned learning rate' });
    await curve.getByText('Table').click();
    await expect
      .poll(() => curve.locator('tbody tr').allInnerTexts())
      .toEqual(['1\t0.05', '2\t0.05', '3\t0.01']);
    await expectClean();
  });

  it('writes the settings to a file and reads them back', async () => {
    await page.getByLabel('Images per batch').fill('17');
    const downloading = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Save to file' }).click();
    const text = readFileSync(await (await downloading).path(), 'utf8');
    expect(JSON.parse(text).options).toMatchObject({
      batch_size: 17,
      learning_rate_schedule: '0: 0.05\n3: 0.01\n4: -\n',
    });
    const file = page.getByLabel('Settings file');
    const asFile = (content: string) => ({
      name: 'settings.json',
      mimeType: 'application/json',
      buffer: Buffer.from(content),
    });
    await file.setInputFiles(asFile(text.replace('"batch_size": 17', '"batch_size": 23')));
    await expect.poll(() => page.getByLabel('Images per batch').inputValue()).toBe('23');
    await file.setInputFiles(asFile(text.replace('"batch_size"', '"batchsize"')));
    await page.getByText('There is no setting "batchsize"').waitFor();
    expect(await page.getByLabel('Images per batch').inputValue()).toBe('23');
  });

  it('asks for the file of a filter table that settings only name', async () => {
    await page.getByLabel('Settings file').setInputFiles({
      name: 'settings.json',
      mimeType: 'application/json',
      buffer: Buffer.from(
        JSON.stringify({
          format: 'facenet-training-configuration',
          version: 1,
          options: { filter_filename: 'distances.h5', learning_rate: 0.1, batch_size: 8 },
        }),
      ),
    });
    await page.getByText('is named in the settings. Choose the file itself').waitFor();
    await page.getByRole('button', { name: 'Use none' }).click();
    await expect.poll(() => page.getByText('choose the file itself').count()).toBe(0);
  });

  it('offers the runs as models to start from', async () => {
    await page.getByLabel('Start from', { exact: true }).selectOption('run');
    expect(await page.getByLabel('Run to start from').inputValue()).toBe(SHORT_RUN);
    await page.getByLabel('Start from', { exact: true }).selectOption('none');
  });
});

describe.sequential('a run of half a million steps', () => {
  it('is drawn without holding the page up', async () => {
    await page.evaluate(() => {
      const longest = { ms: 0 };
      (globalThis as unknown as { longestTask: typeof longest }).longestTask = longest;
      new PerformanceObserver((list) => {
        for (const { duration } of list.getEntries()) longest.ms = Math.max(longest.ms, duration);
      }).observe({ type: 'longtask' });
    });
    const openedAt = Date.now();
    await page.getByRole('button', { name: new RegExp(`^${LONG_RUN}`) }).click();
    const chart = page.getByRole('figure', { name: 'Total loss' });
    await chart.locator('canvas').waitFor();
    const openMs = Date.now() - openedAt;
    await page.getByLabel('Smoothing').selectOption('guide');
    await page.getByLabel('Smoothing').selectOption('none');
    await chart.locator('.swatch.line-faint').waitFor({ state: 'detached' });
    const longestMs = await page.evaluate(
      () => (globalThis as unknown as { longestTask: { ms: number } }).longestTask.ms,
    );
    console.log(
      `${LONG_STEPS} steps: first chart after ${openMs} ms, longest task of the page ${Math.round(longestMs)} ms`,
    );
    // The data benchmark checks the limit of 50 ms, on an idle machine. This test only finds a page that hangs.
    expect(longestMs).toBeLessThan(1500);
    // One peak among half a million steps is still visible.
    await chart.getByText('Table').click();
    await page.getByLabel('To step').fill('300');
    await page.getByLabel('To step').press('Enter');
    await expect.poll(async () => (await chart.locator('tbody tr').allInnerTexts()).at(-1)).toMatch(/^300\t/);
    await page.getByRole('button', { name: 'Whole run' }).click();
    await expect
      .poll(async () => (await chart.locator('tbody tr').allInnerTexts()).at(-1))
      .toMatch(/^500,000\t/);
  });

  it('says what a loss near guessing means', async () => {
    await page.getByText('The model learned nothing').waitFor();
    expect(await page.getByText('ln(10) = 2.30').count()).toBeGreaterThan(0);
    await expectClean();
  });
});

describe.sequential('runs', () => {
  it('keeps notes', async () => {
    await page.getByRole('button', { name: 'New run' }).click();
    await page.getByRole('button', { name: new RegExp(`^${SHORT_RUN}`) }).click();
    await page.getByLabel('Notes').fill('a smaller batch');
    await page.getByText('Saved', { exact: true }).waitFor();
    await page.reload();
    await page.getByText('a smaller batch').waitFor();
    await page.getByRole('button', { name: new RegExp(`^${SHORT_RUN}`) }).click();
    expect(await page.getByLabel('Notes').inputValue()).toBe('a smaller batch');
  });

  it('hands over the log files', async () => {
    const downloading = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Download the log files' }).click();
    const download = await downloading;
    expect(download.suggestedFilename()).toBe(`${SHORT_RUN}-logs.zip`);
    const zip = readFileSync(await download.path());
    for (const name of ['arguments.txt', 'stat.h5', 'lfw_result.txt', 'events.out.tfevents'])
      expect(zip.includes(`${SHORT_RUN}/${name}`)).toBe(true);
  });

  it('shows two runs side by side', async () => {
    await page.getByRole('button', { name: 'New run' }).click();
    await page.getByLabel(`Compare run ${LONG_RUN}`).check();
    await page.getByLabel(`Compare run ${SHORT_RUN}`).check();
    await page.getByRole('button', { name: 'Compare 2 runs' }).click();
    await page.getByRole('figure', { name: 'Pair accuracy' }).locator('canvas').waitFor();
    const rows = await page
      .getByRole('region', { name: 'Table of the settings that differ' })
      .getByRole('row')
      .allInnerTexts();
    const names = rows.slice(1).map((row) => row.split('\t')[0]);
    expect(names).toEqual(['max_nrof_epochs', 'epoch_size', 'batch_size']);
    await expectClean();
    await page.getByRole('button', { name: 'Back to the list' }).click();
    await page.getByRole('heading', { name: 'Your runs' }).waitFor();
  });

  it('complained of nothing', () => {
    expect(browser.foreignRequests).toEqual([]);
    expect(browser.complaints.filter((text) => !text.includes('batchsize'))).toEqual([]);
  });
});
