/**
 * Importing, evaluating and exporting models: the page shows what maps before the import; models are evaluated on
 * drawn faces, compared, and exported again.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { initializeParameters } from '../../workers/compute/graph/initialize.ts';
import { buildModel } from '../../workers/compute/graph/models/index.ts';
import { safetensorsBlob } from '../../workers/formats/safetensors.ts';
import { writeModelFile } from '../../workers/models/model_file.ts';
import { crc32 } from '../../workers/common/crc32.ts';
import { presetOptions } from '../../workers/protocol/train/presets.ts';
import { axeViolations, openAllDetails, showColourScheme } from './helpers/page_axe.ts';
import { writeDrawnFaces } from './helpers/drawn_faces.ts';
import { PageBrowser } from './helpers/page_browser.ts';

const JOB_LIMIT_MS = 120_000;
const SIZE = 64;
const RUN = '20260101-100000';
const graph = buildModel('squeezenet', { embeddingSize: 32, classes: 0 });

let browser: PageBrowser;
let page: Page;
let root: string;
/** The seed of the second model. */
let secondResult: { accuracy: number; auc: number; eer: number };

async function writeModel(name: string, seed: number): Promise<string> {
  const blob = writeModelFile(initializeParameters(graph, seed), {
    model_def: 'models.squeezenet',
    embedding_size: 32,
    image_size: SIZE,
    use_fixed_image_standardization: true,
  });
  const path = join(root, name);
  writeFileSync(path, Buffer.from(await blob.arrayBuffer()));
  return path;
}

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'facenet-models-'));
  browser = await PageBrowser.open();
  await browser.context.addInitScript(() => {
    // Playwright can set the files of an input, but not of the browser's file picker.
    delete (window as { showDirectoryPicker?: unknown }).showDirectoryPicker;
    delete (window as { showSaveFilePicker?: unknown }).showSaveFilePicker;
  });
  page = await browser.newPage('#models');
  page.setDefaultTimeout(30_000);
  page.on('dialog', (dialog) => void dialog.accept());
  await writeDrawnFaces(page, join(root, 'faces'), { people: 6, photos: 4, sizePx: SIZE });
});

afterAll(async () => {
  await browser?.close();
  rmSync(root, { recursive: true, force: true });
});

const importFiles = (...paths: string[]): Promise<void> =>
  page.getByLabel('Model files to import').setInputFiles(paths);
const goTo = (name: RegExp): Promise<void> =>
  page.getByRole('navigation', { name: 'Steps' }).getByRole('link', { name }).click();

async function choosePairs(): Promise<void> {
  const choosing = page.waitForEvent('filechooser');
  await page.getByRole('button', { name: 'Choose a folder' }).click();
  await (await choosing).setFiles(join(root, 'faces'));
  await page.getByLabel('Pairs per fold').fill('8');
  await page.getByLabel('Folds').fill('4');
}

async function exportFrom(card: Locator): Promise<{ name: string; zip: Buffer }> {
  const downloading = page.waitForEvent('download', { timeout: JOB_LIMIT_MS });
  await card.getByRole('button', { name: /^Export as zip/ }).click();
  const download = await downloading;
  return { name: download.suggestedFilename(), zip: readFileSync(await download.path()) };
}

/** A part of the values that initializeParameters makes from the seed, which identifies them. */
function bytesOf(seed: number): Buffer {
  const { data } = initializeParameters(graph, seed).get('squeezenet/Bottleneck/weights')!;
  return Buffer.from(data.buffer, data.byteOffset, 256);
}

/** The tensors and bytes of a checkpoint: values from one seed, averages from another. */
function checkpointOf(step: number, seed: number, averagesSeed: number) {
  const averages = initializeParameters(graph, averagesSeed);
  const tensors = [
    ...[...initializeParameters(graph, seed)].map(([name, one]) => ({ name, role: 'parameter', ...one })),
    ...[...averages].map(([name, one]) => ({
      name: `${name}/ExponentialMovingAverage`,
      role: 'state',
      ...one,
    })),
  ];
  const bytes = Buffer.concat(
    tensors.map(({ data }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength)),
  );
  return {
    record: {
      id: `${RUN}/${step}/test`,
      runId: RUN,
      step,
      epoch: step / 10,
      createdAt: Date.parse('2026-01-01'),
      tensors: tensors.map(({ name, role, shape }) => ({ name, role, shape })),
      chunkChecksums: [crc32(new Uint8Array(bytes))],
      sizeBytes: bytes.length,
    },
    base64: bytes.toString('base64'),
  };
}

/** A stored run with its three newest checkpoints, one of which is the best by the validation. */
async function storeRun(): Promise<void> {
  const checkpoints = [checkpointOf(20, 4, 2), checkpointOf(30, 3, 5), checkpointOf(40, 6, 7)];
  const run = {
    id: RUN,
    createdAt: Date.parse('2026-01-01'),
    status: 'finished',
    options: {
      ...presetOptions('guide'),
      model_def: 'models.squeezenet',
      embedding_size: 32,
      image_size: SIZE,
      use_fixed_image_standardization: true,
      moving_average_decay: 0.9,
      epoch_size: 10,
      max_nrof_epochs: 4,
    },
    datasetName: 'others',
    classNames: ['Ann', 'Bob'],
    imageCount: 20,
    data: [],
    step: 40,
    epoch: 4,
    device: 'test',
    best: { step: 20, epoch: 2, measuredBy: 'validation', accuracy: 0.75, crossEntropy: 1 },
  };
  await page.evaluate(
    async (stored) => {
      const database = await new Promise<IDBDatabase>((resolve, reject) => {
        const request = indexedDB.open('facenet');
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(new Error('no database'));
      });
      const transaction = database.transaction(['runs', 'checkpoints', 'chunks'], 'readwrite');
      transaction.objectStore('runs').put(stored.run);
      for (const { record, base64 } of stored.checkpoints) {
        const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
        transaction.objectStore('chunks').put({ checkpointId: record.id, index: 0, bytes });
        transaction.objectStore('checkpoints').put(record);
      }
      await new Promise<void>((resolve, reject) => {
        transaction.oncomplete = () => resolve();
        transaction.onabort = () => reject(new Error('not written'));
      });
      database.close();
    },
    { run, checkpoints },
  );
}

/** The value of the number with the label `label`. */
async function tile(group: string, label: string): Promise<string> {
  const list = page.locator(`dl[aria-label="${group}"]`);
  return list
    .locator('div', { has: page.locator('dt', { hasText: label }) })
    .locator('dd')
    .innerText();
}

async function expectClean(): Promise<void> {
  for (const colorScheme of ['light', 'dark'] as const) {
    await showColourScheme(page, colorScheme);
    await openAllDetails(page);
    expect(await axeViolations(page)).toEqual([]);
  }
}

describe.sequential('models', () => {
  it('are shown before they are taken', async () => {
    await importFiles(await writeModel('first model.safetensors', 1));
    await page.getByRole('button', { name: 'Import', exact: true }).waitFor();
    expect(await tile('Matched variables', 'Matched')).toBe(
      `${graph.parameters.length} of ${graph.parameters.length}`,
    );
    expect(await tile('Matched variables', 'Missing')).toBe('0');
    await page.getByText(`${SIZE} × ${SIZE} pixels`, { exact: true }).waitFor();
    await page.getByText('fixed: (p − 127.5)/128, as stated in its file').waitFor();
    await expectClean();
    // Nothing is stored before the person confirms it.
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('heading', { name: 'No models yet' }).waitFor();
    await importFiles(join(root, 'first model.safetensors'));
    await page.getByRole('button', { name: 'Import', exact: true }).click();
    await page.getByRole('heading', { name: 'first model' }).waitFor();
    await importFiles(await writeModel('second model.safetensors', 2));
    await page.getByRole('button', { name: 'Import', exact: true }).click();
    await page.getByRole('heading', { name: 'second model' }).waitFor();
  });

  it('that do not say how images are standardised are taken once the person has said it', async () => {
    const path = join(root, 'nameless.safetensors');
    const values = initializeParameters(graph, 1);
    writeFileSync(path, Buffer.from(await safetensorsBlob(values).arrayBuffer()));
    await importFiles(path);
    await page.getByText('Which image standardisation does this model need?').waitFor();
    expect(await page.getByRole('button', { name: 'Import', exact: true }).isDisabled()).toBe(true);
    await expectClean();
    await page.getByLabel('Image standardisation').last().waitFor();
    const asked = page.getByRole('region', { name: 'Import a model' });
    await asked
      .getByLabel('Image standardisation')
      .selectOption({ label: 'per image: (p − mean)/max(deviation, 1/√N)' });
    await page.getByRole('button', { name: 'Import', exact: true }).click();
    const card = page.getByRole('region', { name: 'nameless' });
    await card.getByText('per image: (p − mean)/max(deviation, 1/√N), as chosen').waitFor();
    // It can be changed later.
    await card.getByText('Change the standardisation').click();
    await card.getByLabel('Image standardisation').selectOption('fixed');
    await card.getByText('fixed: (p − 127.5)/128, as chosen').waitFor();
    await card.getByRole('button', { name: 'Delete nameless' }).click();
    await page.getByRole('button', { name: 'Delete the model' }).click();
    await card.waitFor({ state: 'detached' });
  });

  it('that are incomplete, or not models, are refused with the reason', async () => {
    const some = new Map([...initializeParameters(graph, 1)].slice(0, -3));
    some.set('squeezenet/Bottleneck/weights', { shape: [1000, 32], data: new Float32Array(32_000) });
    const path = join(root, 'part.safetensors');
    writeFileSync(path, Buffer.from(await safetensorsBlob(some).arrayBuffer()));
    await importFiles(path);
    await page.getByText('This model is incomplete').waitFor();
    expect(Number(await tile('Matched variables', 'Missing'))).toBeGreaterThan(0);
    expect(await page.getByRole('button', { name: 'Import', exact: true }).isDisabled()).toBe(true);
    await page.getByText(/^Missing variables/).click();
    await page.getByRole('region', { name: 'Missing variables' }).getByText('BatchNorm').first().waitFor();
    writeFileSync(join(root, 'letter.pt'), 'Dear all,');
    await importFiles(join(root, 'letter.pt'));
    await page.getByRole('alert').getByText('letter.pt is a text file, not a model').waitFor();
    // A damaged Keras file is refused in a new worker each time.
    const damaged = Buffer.concat([Buffer.from('\x89HDF\r\n\x1a\n', 'latin1'), Buffer.alloc(4000, 7)]);
    writeFileSync(join(root, 'damaged.h5'), damaged);
    for (let time = 0; time < 2; time++) {
      await importFiles(join(root, 'damaged.h5'));
      await page.getByRole('alert').getByText('The HDF5 file cannot be read').waitFor();
    }
  });

  it('are measured, with the worst pairs as pictures', { timeout: JOB_LIMIT_MS }, async () => {
    await goTo(/Evaluate/);
    await page.getByLabel('An imported model').check();
    await page
      .getByRole('combobox', { name: 'Model', exact: true })
      .selectOption({ label: 'first model · this program' });
    await choosePairs();
    await page.getByRole('button', { name: 'Evaluate' }).click();
    await page.getByRole('heading', { name: 'Result' }).waitFor({ timeout: JOB_LIMIT_MS });
    const accuracy = Number.parseFloat(await tile('Result', 'Pair accuracy'));
    expect(accuracy).toBeGreaterThan(30);
    expect(await page.getByRole('figure', { name: 'Distances' }).locator('path').count()).toBe(2);
    const wrong = page.getByRole('list', { name: /, judged/ });
    await expect.poll(() => wrong.locator('canvas').count(), { timeout: 20_000 }).toBeGreaterThan(1);
    const names = await wrong.first().locator('li').first().innerText();
    expect(names).toMatch(/Person \d/);
    expect(names).toMatch(/distance 0\.\d+, threshold 0\.\d+, fold [1-4]/);
    const rows = page.getByRole('region', { name: 'Table of the folds' }).locator('tbody tr');
    expect(await rows.count()).toBe(4);
    // Another false accept rate does not need new embeddings.
    await page.getByLabel('Try another false accept rate').fill('0.5');
    await page.getByRole('button', { name: 'Recalculate' }).click();
    await page.getByText('Threshold at FAR 50%').waitFor();
  });

  it(
    'are compared, also after a reload, and results are handed over',
    { timeout: JOB_LIMIT_MS },
    async () => {
      await page
        .getByRole('combobox', { name: 'Model', exact: true })
        .selectOption({ label: 'second model · this program' });
      await page.getByRole('button', { name: 'Evaluate', exact: true }).click();
      await page.getByText('the previous evaluation on the same pairs (first model)').waitFor({
        timeout: JOB_LIMIT_MS,
      });
      const saving = page.waitForEvent('download');
      await page.getByRole('button', { name: 'evaluation.json' }).click();
      const saved = JSON.parse(readFileSync(await (await saving).path(), 'utf8'));
      expect(saved.modelName).toBe('second model');
      expect(saved.result.pairCount).toBe(64);
      secondResult = saved.result;

      await page.reload();
      const table = page.getByRole('region', { name: 'Table of saved evaluations' });
      await expect.poll(() => table.locator('tbody tr').count()).toBe(2);
      for (const box of await table.getByRole('checkbox').all()) await box.check();
      const overlay = page.getByRole('figure', { name: 'ROC curves' });
      await expect.poll(() => overlay.locator('canvas').count(), { timeout: 20_000 }).toBe(1);
      await overlay.getByText('Table').click();
      const header = overlay.locator('thead');
      await header.getByText('first model').waitFor();
      await header.getByText('second model').waitFor();
      await page.getByRole('button', { name: 'Show the result of second model' }).click();
      await page.getByRole('heading', { name: 'Result' }).waitFor();
      expect(await tile('Result', 'Pair accuracy')).toContain((100 * saved.result.accuracy).toFixed(2));
      await expectClean();
    },
  );

  it(
    'of a run are those of the chosen checkpoint, or their moving averages',
    { timeout: JOB_LIMIT_MS },
    async () => {
      await storeRun();
      await page.reload();
      await goTo(/Evaluate/);
      await page.getByLabel('One of my runs').check();
      const checkpoint = page.getByLabel('Checkpoint', { exact: true });
      await checkpoint.waitFor();
      expect(await checkpoint.locator('option').allInnerTexts()).toEqual([
        'latest: step 40, epoch 4',
        'best: step 20, epoch 2, 75.0% in validation',
        'step 30, epoch 3',
      ]);
      await checkpoint.selectOption('best');
      await page.getByLabel('Weights', { exact: true }).selectOption('averages');
      await choosePairs();
      await page.getByRole('button', { name: 'Evaluate', exact: true }).click();
      await page.getByRole('heading', { name: 'Result' }).waitFor({ timeout: JOB_LIMIT_MS });
      const measured = `run ${RUN}, step 20, best validation accuracy, moving averages`;
      await page.getByText(`${measured} on faces`).waitFor();
      await page.getByText('the previous evaluation on the same pairs (second model)').waitFor();
      const saving = page.waitForEvent('download');
      await page.getByRole('button', { name: 'evaluation.json' }).click();
      const saved = JSON.parse(readFileSync(await (await saving).path(), 'utf8'));
      expect(saved.weights).toEqual({ step: 20, bestBy: 'validation', areMovingAverages: true });
      // These averages are the second model's values.
      const { accuracy, auc, eer } = secondResult;
      expect(saved.result).toMatchObject({ accuracy, auc, eer });
      await expectClean();

      await goTo(/Models/);
      const card = page.getByRole('region', { name: RUN });
      await card.getByText('faces, step 20, best validation accuracy, moving averages: accuracy').waitFor();
      await card.getByText('Export', { exact: true }).click();
      await card.getByLabel('Checkpoint', { exact: true }).selectOption('30');
      await card.getByLabel('Format').selectOption('safetensors');
      const exported = await exportFrom(card);
      expect(exported.name).toBe(`${RUN}-step-30-safetensors.zip`);
      expect(exported.zip.includes(bytesOf(3))).toBe(true);
      expect(exported.zip.includes('The weights are the trained variables themselves')).toBe(true);
      expect(exported.zip.includes('the run’s checkpoint with the best')).toBe(false);
      await card.getByLabel('Checkpoint', { exact: true }).selectOption('best');
      await card.getByLabel('Weights', { exact: true }).selectOption('averages');
      const averaged = await exportFrom(card);
      expect(averaged.name).toBe(`${RUN}-best-moving-averages-safetensors.zip`);
      expect(averaged.zip.includes(bytesOf(2))).toBe(true);
      expect(averaged.zip.includes('the run’s checkpoint with the best validation accuracy')).toBe(true);
      expect(averaged.zip.includes('The weights are the exponential moving averages')).toBe(true);
      expect(averaged.zip.includes('| 20 | moving averages |')).toBe(true);
      await card.getByText(/from step 20, best validation accuracy, moving averages/).waitFor();
      await expectClean();
      // The model that was opened for that is closed again.
      await page.reload();
    },
  );

  it('are taken out, with their results on the card, and can be stopped on the way', async () => {
    await goTo(/Models/);
    const card = page.getByRole('region', { name: 'second model' });
    await card.getByText('Export', { exact: true }).click();
    await card.getByLabel('Format').selectOption('onnx');
    await card.getByLabel('Precision of the weights').selectOption('float16');
    await card.getByLabel('Licence (for the model card)').fill('CC0-1.0');
    const downloading = page.waitForEvent('download', { timeout: JOB_LIMIT_MS });
    await card.getByRole('button', { name: 'Export as zip: second model as ONNX' }).click();
    await card.getByRole('progressbar', { name: 'Exporting ONNX, float16' }).waitFor();
    const download = await downloading;
    expect(download.suggestedFilename()).toBe('second model-onnx-float16.zip');
    const zip = readFileSync(await download.path());
    expect(zip.includes('CC0-1.0')).toBe(true);
    expect(zip.toString('latin1')).toMatch(/\| faces \| [^|]+ \| 64 \|/);
    await card
      .getByRole('region', { name: 'How to use the ONNX, float16 export' })
      .getByText('onnxruntime')
      .waitFor();
    await card.getByText('onnxruntime-web ran the files').waitFor();

    // The re-imported model equals the exported one.
    const path = join(root, 'again.zip');
    writeFileSync(path, zip);
    await importFiles(path);
    await page.getByText('second model.onnx: ONNX model').waitFor();
    await page.getByRole('button', { name: 'Cancel' }).click();

    await card.getByLabel('Format').selectOption('tfjs');
    // Pressed as soon as it appears, because a small model is exported quickly.
    await page.evaluate(() => {
      const observer = new MutationObserver(() => {
        const stop = document.querySelector<HTMLElement>(
          '[aria-label="Stop the TensorFlow.js, float16 export"]',
        );
        if (!stop) return;
        observer.disconnect();
        stop.click();
      });
      observer.observe(document.body, { childList: true, subtree: true });
    });
    await card.getByRole('button', { name: 'Export as zip: second model as TensorFlow.js' }).click();
    await card.getByText('The TensorFlow.js, float16 export was stopped').waitFor({ timeout: JOB_LIMIT_MS });
    await expectClean();

    await card.getByRole('button', { name: 'Delete second model' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete the model' }).click();
    await card.waitFor({ state: 'detached' });
    await goTo(/Evaluate/);
    const rows = page.getByRole('region', { name: 'Table of saved evaluations' }).locator('tbody tr');
    // Those of the first model and of the run are left.
    await expect.poll(() => rows.count()).toBe(2);
  });

  it('had nothing go wrong but what was tried', () => {
    expect(browser.complaints.filter((text) => !/not a model|HDF5|cancelled/.test(text))).toEqual([]);
  });
});
