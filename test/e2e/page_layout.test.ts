/**
 * What is too wide, cut off or hidden, on every page, from the narrowest phone to a wide screen; and that pages do not
 * contradict each other. What is stored is written by the test itself, with names as long as people give them.
 */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { presetOptions } from '../../workers/training/presets.ts';
import { openAllDetails } from './helpers/page_axe.ts';
import { PageBrowser } from './helpers/page_browser.ts';

const WIDTHS = [320, 400, 1280, 1920];
const PLACES = [
  'photos',
  'train',
  'train, a run',
  'evaluate',
  'evaluate, a result',
  'models',
  'use/compare',
  'use/identify',
  'use/look',
  'privacy',
];
const RUN = '20260101-100000';
const DATASET = 'Sample faces 6 × 5 aligned 182-44';

let browser: PageBrowser;
let page: Page;

beforeAll(async () => {
  browser = await PageBrowser.open({ reducedMotion: 'reduce' });
  page = await browser.newPage();
  page.setDefaultTimeout(60_000);
  await page.getByRole('button', { name: 'Try it with sample faces' }).waitFor();
  await store();
  await page.reload();
});

afterAll(() => browser?.close());

/** Two runs, two evaluations of one of them, and a set of faces. */
async function store(): Promise<void> {
  const options = {
    ...presetOptions('quick-try'),
    epoch_size: 6,
    max_nrof_epochs: 6,
    moving_average_decay: 0.99,
  };
  await page.evaluate(
    async ([id, datasetName, runOptions]) => {
      while (!(await indexedDB.databases()).some(({ name }) => name === 'facenet'))
        await new Promise((resolve) => setTimeout(resolve, 50));
      const database = await new Promise<IDBDatabase>((resolve, reject) => {
        const request = indexedDB.open('facenet');
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(new Error('no database'));
      });
      const transaction = database.transaction(
        ['steps', 'runs', 'validations', 'savedEvaluations', 'checkpoints'],
        'readwrite',
      );
      const records = Array.from({ length: 36 }, (_, index) => ({
        step: index + 1,
        epoch: Math.floor(index / 6) + 1,
        batch: (index % 6) + 1,
        totalLoss: 3 - index / 20,
        crossEntropy: 2 - index / 25,
        regularization: 0.5,
        prelogitsNorm: 0.1,
        centerLoss: 0,
        accuracy: index / 40,
        learningRate: index > 20 ? 0.005 : 0.05,
        stepMs: 9000 + 1000 * Math.sin(index),
        dataWaitMs: 5,
      }));
      for (const runId of [id, '20260102-100000']) {
        transaction.objectStore('steps').put({ runId, firstStep: 1, records });
        transaction
          .objectStore('validations')
          .put({ runId, step: 36, epoch: 6, crossEntropy: 1, accuracy: 0.5 });
        for (const step of [30, 36])
          transaction.objectStore('checkpoints').put({
            id: `${runId}-${step}`,
            runId,
            step,
            epoch: step / 6,
            createdAt: 0,
            sizeBytes: 2e8,
            chunkCount: 0,
          });
        transaction.objectStore('runs').put({
          id: runId,
          createdAt: Date.parse('2026-01-01'),
          status: 'finished',
          options: runOptions,
          datasetName,
          classNames: Array.from({ length: 6 }, (_, index) => `person ${index}`),
          imageCount: 30,
          data: [],
          step: 36,
          epoch: 6,
          device: 'TensorFlow.js on WebAssembly',
        });
      }
      const share = Array.from({ length: 50 }, (_, index) => index / 49);
      const pairs = { falseAccepts: [], falseRejects: [], falseAcceptCount: 0, falseRejectCount: 0 };
      for (const [index, evaluationId] of ['first', 'second'].entries())
        transaction.objectStore('savedEvaluations').put({
          id: evaluationId,
          at: Date.parse('2026-01-02') + index,
          modelId: id,
          modelName: `run ${id}`,
          imagesName: datasetName,
          images: [],
          options: {
            lfw_batch_size: 100,
            lfw_distance_metric: 1,
            lfw_use_flipped_images: true,
            lfw_subtract_mean: true,
          },
          result: {
            accuracy: 0.717,
            accuracyStd: 0.0456,
            accuracyPerFold: [0.7, 0.73],
            bestThresholdPerFold: [0.43, 0.42],
            val: 0.0123,
            valStd: 0.0234,
            far: 0.0167,
            farTarget: 0.001,
            // Near the left edge: its label must not be cut.
            valThresholdPerFold: [0.305, 0.305],
            auc: 0.7891,
            eer: 0.2834,
            roc: {
              falseAcceptRate: Float64Array.from(share),
              trueAcceptRate: Float64Array.from(share, Math.sqrt),
            },
            pairCount: 600,
            skippedPairs: 0,
            skippedCauses: [],
            imageCount: 30,
            durationMs: 1000,
            histogram: {
              start: 0.3,
              binWidth: 0.01,
              same: share.slice(0, 41).map((value) => Math.round(20 * value)),
              different: share.slice(0, 41).map((value) => Math.round(20 - 20 * value)),
            },
            wrong: pairs,
            pairsChecksum: '00000000',
            measured: {
              distances: Float64Array.of(0.1, 0.2),
              same: Uint8Array.of(1, 0),
              falseAcceptsOutside: new Int32Array(4000),
              differentOutside: Int32Array.of(1),
            },
          },
        });
      await new Promise<void>((resolve, reject) => {
        transaction.oncomplete = () => resolve();
        transaction.onabort = () => reject(new Error('not written'));
      });
      database.close();
      let folder = await navigator.storage.getDirectory();
      for (const name of ['aligned', datasetName, 'person 1'])
        folder = await folder.getDirectoryHandle(name, { create: true });
      await folder.getFileHandle('face.png', { create: true });
    },
    [RUN, DATASET, options] as const,
  );
}

async function open(place: string): Promise<void> {
  const [address, part] = place.split(', ');
  await page.goto(`${browser.address}#${address}`);
  // What an earlier test opened is closed.
  if (!part) await page.reload();
  await page.getByRole('heading', { level: 1 }).waitFor();
  await page.getByRole('progressbar', { name: /^Loading/ }).waitFor({ state: 'detached' });
  if (part === 'a run') {
    const back = page.getByRole('button', { name: /^(New run|Back to the list)$/ });
    if (!(await back.count())) await page.getByRole('button', { name: new RegExp(`^${RUN}`) }).click();
    await page.getByRole('heading', { name: `Run ${RUN}` }).waitFor();
  }
  if (part === 'a result') {
    const show = page.getByRole('button', { name: /^Show the result/ }).first();
    await show.waitFor();
    if (await show.isEnabled()) await show.click();
    await page.getByRole('heading', { name: 'Result' }).waitFor();
  }
  await openAllDetails(page);
}

/** Everything of the shown page that is too wide or cut off, in words. */
function faultsAt(width: number): Promise<string[]> {
  return page.evaluate((windowWidth) => {
    const faults: string[] = [];
    const root = document.documentElement;
    if (root.scrollWidth > root.clientWidth) {
      const widest = [...document.querySelectorAll('main *')]
        .filter((element) => element.getBoundingClientRect().right > root.clientWidth + 1)
        .slice(0, 4)
        .map((element) => `${element.tagName.toLowerCase()}.${element.getAttribute('class') ?? ''}`);
      faults.push(`scrolls sideways: ${root.scrollWidth} pixels, by ${widest.join(' ')}`);
    }
    const steps = [...document.querySelectorAll('nav[aria-label=Steps] a')];
    const textBox = (element: Element): DOMRect => {
      const range = document.createRange();
      range.selectNodeContents(element);
      return range.getBoundingClientRect();
    };
    for (const part of ['.title', '.state'])
      steps.forEach((step, index) => {
        const element = step.querySelector(part)!;
        if (element.scrollWidth > element.clientWidth + 1)
          faults.push(`the step’s “${element.textContent}” is cut off`);
        const next = steps[index + 1]?.querySelector(part);
        if (next && textBox(next).left - textBox(element).right < 3)
          faults.push(`“${element.textContent}” touches “${next.textContent}”`);
      });
    const visible = (element: Element): boolean => element.getClientRects().length > 0;
    // On the narrowest screens an ellipsis says that there is more.
    if (windowWidth >= 400)
      for (const select of document.querySelectorAll('main select')) {
        if (!visible(select) || !(select instanceof HTMLSelectElement)) continue;
        // The longest of its choices may be the one that is taken.
        const clone = select.cloneNode(true) as HTMLSelectElement;
        Object.assign(clone.style, {
          position: 'absolute',
          visibility: 'hidden',
          width: 'auto',
          maxWidth: 'none',
        });
        select.parentElement!.append(clone);
        const wanted = clone.offsetWidth;
        clone.remove();
        if (wanted > select.offsetWidth + 1)
          faults.push(
            `a choice of “${select.labels[0]?.textContent ?? select.ariaLabel ?? ''}” is cut off: ${wanted} > ${select.offsetWidth} pixels`,
          );
      }
    if (windowWidth >= 1280)
      for (const wrap of document.querySelectorAll('main .table-wrap'))
        if (visible(wrap) && wrap.scrollWidth > wrap.clientWidth + 1)
          faults.push(
            `the table “${wrap.getAttribute('aria-label')}” is too wide: ${wrap.scrollWidth} > ${wrap.clientWidth}`,
          );
    for (const text of document.querySelectorAll('main figure svg text')) {
      const box = text.getBoundingClientRect();
      const frame = text.closest('svg')!.getBoundingClientRect();
      if (box.left < frame.left - 1 || box.right > frame.right + 1)
        faults.push(`the chart’s label “${text.textContent}” is cut off`);
    }
    return faults;
  }, width);
}

describe.each(WIDTHS)('at %i pixels', (width) => {
  it.each(PLACES)('%s', async (place) => {
    await page.setViewportSize({ width, height: 900 });
    await open(place);
    // Charts are drawn for the new width.
    await expect.poll(() => faultsAt(width), { timeout: 5000 }).toEqual([]);
  });
});

describe.each([400, 1280])('the keyboard’s focus at %i pixels', (width) => {
  it('is never under the header', async () => {
    await page.setViewportSize({ width, height: 900 });
    await open('train');
    await page.evaluate(() => window.scrollTo(0, document.documentElement.scrollHeight));
    await page.locator('footer a').focus();
    const hidden: string[] = [];
    for (let press = 0; press < 45; press++) {
      await page.keyboard.press('Shift+Tab');
      const found = await page.evaluate(() => {
        const header = document.querySelector('header')!;
        const focused = document.activeElement!;
        if (header.contains(focused) || focused === document.body) return '';
        const { top } = focused.getBoundingClientRect();
        // The ring is 3 pixels, 2 away from the control.
        const ringTop = top - 5;
        const { bottom } = header.getBoundingClientRect();
        return ringTop < bottom - 0.5 ? `${focused.tagName} ${focused.id}: ${ringTop} < ${bottom}` : '';
      });
      if (found) hidden.push(found);
    }
    expect(hidden).toEqual([]);
  });
});

describe('the graphics processor', () => {
  it('is spoken of in the same way everywhere: here there is none', async () => {
    const sentence = 'No graphics processor was found, and the browser only simulates one';
    await page.goto(`${browser.address}#photos`);
    await page.getByText(sentence).waitFor();
    expect(await page.locator('main').innerText()).not.toContain('on your own graphics processor');
    await open('train');
    const back = page.getByRole('button', { name: 'New run' });
    if (await back.count()) await back.click();
    await page.getByText(sentence).waitFor();
    await open('privacy');
    const row = page.getByRole('row').filter({ has: page.getByRole('rowheader', { name: 'WebGPU' }) });
    await expect.poll(() => row.innerText()).toContain(sentence);
    expect(await row.innerText()).toContain('simulated');
  });
});

it('keeps what the step bar says when the page is loaded anew', async () => {
  const steps = page.getByRole('navigation', { name: 'Steps' });
  await page.reload();
  for (const text of ['1 set', '2 runs', '71.7% right', '2 models']) await steps.getByText(text).waitFor();
});
