/** Folders of very many files: read as a stream, counted without keeping a file, and listed with nothing but their names. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { withScanned } from '../../src/state/class_counts.ts';
import { readClasses } from '../../workers/dataset/classes.ts';
import { walkDataset, type ScanProgress } from '../../workers/dataset/dataset_count.ts';
import type { FileListing, ReadableDirectory } from '../../workers/dataset/directory.ts';
import { nameOutputs } from '../../workers/jobs/output_names.ts';
import type { DatasetSummary } from '../../workers/protocol/dataset.ts';

const CLASSES = 1000;

/** Makes each name when it is asked for; nothing can be read. */
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

/** What is held, by whoever holds it. */
function usedMegabytes(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed / 1e6;
}

describe('a folder of 500,000 files', () => {
  it('is counted while it is read, and takes no more memory than its classes', async () => {
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
    // What was told bit by bit is what there is; a folder without an image is no class.
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

it('the names of 100,000 files are read in seconds and take little memory', async () => {
  const before = process.memoryUsage().heapUsed;
  const startedAt = performance.now();
  const dataset = await readClasses([new EndlessFolder(100_000)]);
  const stems = nameOutputs(dataset.classes.flatMap(({ images }) => images));
  const seconds = (performance.now() - startedAt) / 1000;
  const megabytes = (process.memoryUsage().heapUsed - before) / 1e6;
  console.log(`100,000 files: ${seconds.toFixed(2)} s, ${megabytes.toFixed(0)} MB with all names`);
  expect(dataset).toMatchObject({ imageCount: 100_000, ignoredCount: 0 });
  expect(dataset.classes).toHaveLength(CLASSES);
  expect(stems.size).toBe(100_000);
  expect(seconds).toBeLessThan(20);
  expect(megabytes).toBeLessThan(150);
});
