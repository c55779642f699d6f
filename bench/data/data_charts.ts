/**
 * The charts of a run of half a million steps in the built page: the frame time while a person views them and while
 * steps arrive, and the longest task of the page's main thread. The run is a real one with a small network. Its stored
 * steps are replaced by many, and then it is resumed.
 */
import { chromium, type Browser, type Page } from 'playwright-core';
import { startStaticServer } from '../../cli/browser/static_server.ts';
import { chromiumArguments } from '../../scripts/setup/chromium.mjs';
import { distFolder, ensureBuild } from '../../scripts/setup/ensure_build.mjs';
import { ensureChromium } from '../../scripts/setup/ensure_chromium.mjs';
import type { TerminalBridge } from '../../cli/page/terminal_bridge.ts';
import type { DirectoryReference } from '../../workers/protocol/data/dataset.ts';
import type { TrainSummary } from '../../workers/protocol/train/train.ts';
import { defaultTrainingOptions, type TrainingOptions } from '../../workers/protocol/train/options.ts';
import { mainThreadTasks, TRACE_CATEGORIES, type MainThreadTasks } from './data_trace.ts';

/** The times between animation frames, milliseconds. */
export interface FrameTimes {
  readonly frames: number;
  readonly p50: number;
  readonly p95: number;
  readonly max: number;
}

export interface ChartsReport {
  readonly points: number;
  /** The time from the click to the first chart. */
  readonly openMs: number;
  readonly opening: MainThreadTasks;
  readonly looking: FrameTimes & MainThreadTasks;
  /** Figures while the run trains and its steps arrive. */
  readonly running: FrameTimes & MainThreadTasks & { readonly steps: number };
}

const OPTIONS: TrainingOptions = {
  ...defaultTrainingOptions(),
  model_def: 'models.squeezenet',
  batch_size: 4,
  image_size: 25,
  embedding_size: 8,
  epoch_size: 3,
  max_nrof_epochs: 1,
  optimizer: 'ADAM',
  learning_rate: 0.001,
  random_crop: true,
  use_fixed_image_standardization: true,
};
const STEPS_PER_EPOCH = 1000;

export async function measureCharts(
  points: number,
  seconds: number,
  onMessage: (message: string) => void,
): Promise<ChartsReport> {
  await ensureBuild({ quiet: true });
  const server = await startStaticServer(distFolder, async () => false);
  const browser = await chromium.launch({
    executablePath: await ensureChromium(),
    args: chromiumArguments({ software: true }),
  });
  try {
    const address = `http://localhost:${server.port}/`;
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
    // tsx wraps functions in calls of this.
    await context.addInitScript({ content: 'globalThis.__name ??= (value) => value;' });
    onMessage('Training a small run, then giving it its points …');
    const terminal = await context.newPage();
    await terminal.goto(`${address}terminal.html`);
    await terminal.waitForFunction(() => 'facenet' in globalThis);
    const runId = await makeRun(terminal);
    await giveSteps(terminal, runId, points);
    await terminal.close();

    const page = await context.newPage();
    page.setDefaultTimeout(120_000);
    await page.goto(`${address}#train`);
    const row = page.getByRole('button', { name: new RegExp(`^${runId}`) });
    await row.waitFor();
    onMessage('Opening it …');
    let openMs = 0;
    const opening = await traced(browser, page, async () => {
      const openedAt = Date.now();
      await row.click();
      await page.getByRole('figure', { name: 'Total loss' }).locator('canvas').waitFor();
      openMs = Date.now() - openedAt;
      await page.waitForTimeout(1000);
    });
    onMessage(`Looking at it (opened in ${openMs} ms, longest task ${opening.longestMs} ms) …`);
    let looked: FrameTimes | undefined;
    const looking = await traced(browser, page, async () => {
      looked = await frames(page, () => lookAround(page, seconds));
    });
    onMessage(`Going on with it (longest task ${looking.longestMs} ms) …`);
    await page.locator('#main').getByRole('button', { name: 'Go on' }).click();
    await page.getByRole('log').getByText('Resuming run').waitFor();
    await page
      .getByText(new RegExp(`step ${(points + 2).toLocaleString('en')}`))
      .first()
      .waitFor();
    const stepsBefore = await stepOf(page);
    let whileRunning: FrameTimes | undefined;
    const running = await traced(browser, page, async () => {
      whileRunning = await frames(page, () => page.waitForTimeout(seconds * 1000));
    });
    const steps = (await stepOf(page)) - stepsBefore;
    return {
      points,
      openMs,
      opening,
      looking: { ...looked!, ...looking },
      running: { ...whileRunning!, ...running, steps },
    };
  } finally {
    await browser.close();
    await server.close();
  }
}

async function traced(browser: Browser, page: Page, work: () => Promise<void>): Promise<MainThreadTasks> {
  await browser.startTracing(page, { categories: TRACE_CATEGORIES });
  let trace: Buffer;
  try {
    await work();
  } finally {
    trace = await browser.stopTracing();
  }
  return mainThreadTasks(trace.toString('utf8'));
}

/** Measures the times between animation frames while `work` runs. */
async function frames(page: Page, work: () => Promise<void>): Promise<FrameTimes> {
  await page.evaluate(() => {
    const times: number[] = [];
    (globalThis as unknown as { frameTimes: number[] }).frameTimes = times;
    const next = (now: number): void => {
      times.push(now);
      if (times.length < 1e6) requestAnimationFrame(next);
    };
    requestAnimationFrame(next);
  });
  await work();
  const times = await page.evaluate(() => {
    const { frameTimes } = globalThis as unknown as { frameTimes: number[] };
    const copy = [...frameTimes];
    // This ends the loop.
    frameTimes.length = 1e6;
    return copy;
  });
  const differences = times
    .slice(1)
    .map((time, index) => time - times[index]!)
    .sort((a, b) => a - b);
  const at = (share: number): number =>
    differences[Math.min(differences.length - 1, Math.floor(share * differences.length))] ?? NaN;
  return { frames: differences.length, p50: at(0.5), p95: at(0.95), max: at(1) };
}

/** Zooms in by dragging over a chart, points at values, pans, and zooms out to the whole run. */
async function lookAround(page: Page, seconds: number): Promise<void> {
  const canvas = page.getByRole('figure', { name: 'Cross entropy' }).locator('.u-over');
  const until = Date.now() + seconds * 1000;
  while (Date.now() < until) {
    await canvas.scrollIntoViewIfNeeded();
    const box = (await canvas.boundingBox())!;
    const y = box.y + box.height / 2;
    await page.mouse.move(box.x + box.width * 0.3, y);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.6, y, { steps: 10 });
    await page.mouse.up();
    for (let pan = 1; pan <= 5; pan++) {
      await page.getByLabel('From step').fill(String(pan * 20_000));
      await page.getByLabel('To step').fill(String(pan * 20_000 + 150_000));
      await page.getByLabel('To step').press('Enter');
      await page.mouse.move(box.x + box.width * 0.2, y);
      await page.mouse.move(box.x + box.width * 0.8, y, { steps: 15 });
    }
    await page.getByRole('button', { name: 'Whole run' }).click();
  }
}

async function stepOf(page: Page): Promise<number> {
  const text = await page
    .getByText(/step [\d,]+ of/)
    .first()
    .innerText();
  return Number(/step ([\d,]+) of/.exec(text)![1]!.replaceAll(',', ''));
}

async function makeRun(terminal: Page): Promise<string> {
  return terminal.evaluate(async (options) => {
    const { facenet } = globalThis as unknown as { facenet: TerminalBridge };
    const call = async <Value>(
      worker: 'dataset' | 'train',
      method: string,
      args: unknown[],
    ): Promise<Value> => {
      const outcome = await facenet.call(worker, method, args);
      if (!outcome.ok) throw new Error(outcome.message);
      return outcome.value as Value;
    };
    const sample = { seed: 1, people: 3, photosPerPerson: 4 };
    const folder = await call<DirectoryReference>('dataset', 'makeSampleFaces', [sample]);
    Object.assign(globalThis, { facenetCallback: () => Promise.resolve() });
    const request = { options, data: [folder] };
    const { run } = await call<TrainSummary>('train', 'train', [request, { facenetCallback: 0 }]);
    return run.id;
  }, OPTIONS);
}

/** Makes the stored run look as if it had been interrupted after `points` steps. */
async function giveSteps(terminal: Page, runId: string, points: number): Promise<void> {
  await terminal.evaluate(
    async ({ id, count, epochSize }) => {
      const database = await new Promise<IDBDatabase>((resolve, reject) => {
        const opening = indexedDB.open('facenet');
        opening.onsuccess = () => resolve(opening.result);
        opening.onerror = () => reject(opening.error as Error);
      });
      const change = (stores: string[], work: (transaction: IDBTransaction) => void): Promise<void> =>
        new Promise((resolve, reject) => {
          const transaction = database.transaction(stores, 'readwrite');
          transaction.oncomplete = () => resolve();
          transaction.onabort = () => reject(transaction.error as Error);
          work(transaction);
        });
      const epochs = Math.ceil(count / epochSize);
      await change(['runs', 'checkpoints', 'steps'], (transaction) => {
        const runs = transaction.objectStore('runs');
        runs.get(id).onsuccess = ({ target }) => {
          const run = (target as IDBRequest<Record<string, unknown>>).result;
          const options = {
            ...(run.options as object),
            epoch_size: epochSize,
            max_nrof_epochs: epochs + 100,
          };
          runs.put({ ...run, options, step: count, epoch: epochs, status: 'interrupted' });
        };
        const checkpoints = transaction.objectStore('checkpoints');
        checkpoints.getAll().onsuccess = ({ target }) => {
          for (const record of (target as IDBRequest<Record<string, unknown>[]>).result)
            checkpoints.put({ ...record, step: count, epoch: epochs });
        };
        transaction.objectStore('steps').clear();
      });
      const BLOCK = 5000;
      for (let first = 1; first <= count; first += BLOCK)
        await change(['steps'], (transaction) => {
          const records = Array.from({ length: Math.min(BLOCK, count - first + 1) }, (_, index) => {
            const step = first + index;
            const crossEntropy = 0.2 + 6 * Math.exp(-step / 100_000) * (1 + 0.2 * Math.sin(step * 1.7));
            return {
              step,
              epoch: Math.floor((step - 1) / epochSize) + 1,
              batch: ((step - 1) % epochSize) + 1,
              totalLoss: crossEntropy + 0.5,
              crossEntropy,
              regularization: 0.5,
              prelogitsNorm: 0.1,
              centerLoss: 0,
              accuracy: 1 - Math.min(1, crossEntropy / 7),
              learningRate: step > count / 2 ? 0.005 : 0.05,
              stepMs: 100 + 10 * Math.sin(step),
              dataWaitMs: 5,
            };
          });
          transaction.objectStore('steps').put({ runId: id, firstStep: first, records });
        });
      database.close();
    },
    { id: runId, count: points, epochSize: STEPS_PER_EPOCH },
  );
}
