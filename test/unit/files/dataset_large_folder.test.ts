/** Folders with very many files: streamed, counted without keeping files, and listed with only their names. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { withScanned } from '../../../src/choose/class_counts.ts';
import { readClasses } from '../../../workers/files/classes.ts';
import { walkDataset } from '../../../workers/protocol/data/dataset_count.ts';
import { type ScanProgress } from '../../../workers/protocol/data/dataset.ts';
import type { FileListing, ReadableDirectory } from '../../../workers/protocol/data/directories.ts';
import { Detections } from '../../../src/photos/detections.ts';
import { OutputNames } from '../../../workers/jobs/output_names.ts';
import type { DatasetSummary } from '../../../workers/protocol/data/dataset.ts';

const CLASSES = 1000;

/** Makes each name on demand. The files cannot be read. */
class EndlessFolder implements ReadableDirectory {
  readonly name = 'many';
  listed = 0;
  readonly #fileCount: number;

  constructor(fileCount: number) {
    this.#fileCount = fileCount;
  }

  async *list(signal?: AbortSignal, onFolder?: (name: string) => void): AsyncIterable<FileListing> {
    for (let index = 0; index < CLASSES; index++) onFolder?.(className(index));
    onFolder?.('nobody');
    for (let index = 0; index < this.#fileCount; index++) {
      signal?.throwIfAborted();
      this.listed++;
      yield { path: `${className(index % CLASSES)}/photo ${index}.jpg` };
    }
  }

  async read(): Promise<Blob> {
    throw new Error('No file is opened to list a folder.');
  }

  async exists(): Promise<boolean> {
    return true;
  }
}

function className(index: number): string {
  return `Person ${index} O'Neil "Zoë"`;
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** All memory in use. */
function usedMegabytes(): number {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return (heapUsed + arrayBuffers) / 1e6;
}

describe('a folder of 500,000 files', () => {
  it('is counted while it is read, and takes only the memory of its classes', async () => {
    let found: DatasetSummary | undefined;
    const progress: ScanProgress[] = [];
    const before = usedMegabytes();
    const count = await walkDataset([new EndlessFolder(500_000)], {
      intervalMs: 5,
      onProgress(counting) {
        const { changes, ...totals } = counting.takeProgress();
        found = withScanned(found, { ...totals, changes });
        progress.push({ ...totals, changes: [] });
      },
    });
    const megabytes = usedMegabytes() - before;
    console.log(`500,000 files counted: ${megabytes.toFixed(1)} MB held`);
    // The names of the classes come first.
    expect(progress[0]).toMatchObject({ classCount: CLASSES + 1 });
    expect(progress[0]!.fileCount).toBeLessThan(100_000);
    expect(progress.length).toBeGreaterThan(5);
    for (const [index, { fileCount }] of progress.slice(1).entries())
      expect(fileCount).toBeGreaterThanOrEqual(progress[index]!.fileCount);
    // The progress adds up to the result. A folder without images is not a class.
    expect(found?.classes.filter(({ imageCount }) => imageCount > 0)).toEqual(count.classes);
    expect(found?.classes).toContainEqual({ name: 'nobody', imageCount: 0 });
    expect(count.classes).toHaveLength(CLASSES);
    expect(count.classes.every(({ imageCount }) => imageCount === 500)).toBe(true);
    expect(count.totals).toEqual({ fileCount: 500_000, imageCount: 500_000, classCount: CLASSES + 1 });
    // The names of all files would be some 40 MB.
    expect(megabytes).toBeLessThan(3);
  });

  it('is left in the middle when the job is cancelled', async () => {
    const folder = new EndlessFolder(500_000);
    const abort = new AbortController();
    const counting = walkDataset([folder], {
      signal: abort.signal,
      intervalMs: 0,
      onProgress: ({ fileCount }) => fileCount >= 2000 && abort.abort(),
    });
    await expect(counting).rejects.toThrow(/abort/i);
    expect(folder.listed).toBe(2000);
  });
});

const FILES = 100_000;

it('the names of 100,000 files are read in seconds and take little memory', async () => {
  const before = usedMegabytes();
  const startedAt = performance.now();
  const dataset = await readClasses([new EndlessFolder(FILES)]);
  const afterReading = usedMegabytes();
  const names = new OutputNames(dataset.classes);
  const seconds = (performance.now() - startedAt) / 1000;
  const forNames = usedMegabytes() - afterReading;
  console.log(
    `100,000 files: ${seconds.toFixed(2)} s, ${(afterReading - before).toFixed(1)} MB, ${forNames.toFixed(1)} MB more for the faces' names`,
  );
  expect(dataset).toMatchObject({ imageCount: FILES, ignoredCount: 0 });
  expect(dataset.classes).toHaveLength(CLASSES);
  expect(names.stemOf(dataset.classes[0]!.images[0]!)).toMatch(/^Person 0 .*\/photo \d+$/);
  expect(seconds).toBeLessThan(20);
  expect(afterReading - before).toBeLessThan(30);
  expect(forNames).toBeLessThan(2);
});

it('what was found in 100,000 photos takes little memory on the page', () => {
  const before = usedMegabytes();
  const detections = new Detections();
  const face = { score: 0.9, box: [1.5, 2, 3, 4], landmarksX: [1, 2, 3, 4, 5], landmarksY: [1, 2, 3, 4, 5] };
  for (let index = 0; index < FILES; index++) {
    const name = `${className(index % CLASSES)}/photo ${index}`;
    // As it comes from the worker, as separate strings.
    const event = JSON.stringify({
      kind: 'aligned',
      path: `${name}.jpg`,
      outputPaths: [`${name}.png`],
      width: 250,
      height: 250,
      faces: [face],
      chosen: [0],
    });
    detections.add(JSON.parse(event) as Parameters<Detections['add']>[0]);
  }
  const megabytes = usedMegabytes() - before;
  console.log(`100,000 photos' faces: ${megabytes.toFixed(1)} MB`);
  expect(detections.of(`${className(7)}/photo 7.png`)).toMatchObject({ width: 250, chosen: [0] });
  // 13 MB of it are the two names.
  expect(megabytes).toBeLessThan(40);
});
