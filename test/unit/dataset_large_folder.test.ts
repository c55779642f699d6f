/** A folder of 100,000 files: it is read as a stream, and only names are kept. */
import { expect, it } from 'vitest';
import { readClasses } from '../../workers/dataset/classes.ts';
import type { FileListing, ReadableDirectory } from '../../workers/dataset/directory.ts';
import { nameOutputs } from '../../workers/jobs/output_names.ts';

const FILES = 100_000;
const CLASSES = 1000;

/** Makes each name when it is asked for; nothing can be read. */
class EndlessFolder implements ReadableDirectory {
  readonly name = 'many';
  listed = 0;

  async *list(signal?: AbortSignal): AsyncIterable<FileListing> {
    for (let index = 0; index < FILES; index++) {
      signal?.throwIfAborted();
      this.listed++;
      yield { path: `Person ${index % CLASSES} O'Neil "Zoë"/photo ${index}.jpg` };
    }
  }

  async read(): Promise<Blob> {
    throw new Error('No file is opened to list a folder.');
  }

  async exists(): Promise<boolean> {
    return true;
  }
}

it('is opened in seconds, reports while it is read, and takes little memory', async () => {
  const seen: number[] = [];
  const before = process.memoryUsage().heapUsed;
  const startedAt = performance.now();
  const dataset = await readClasses([new EndlessFolder()], (count) => seen.push(count));
  const stems = nameOutputs(dataset.classes.flatMap(({ images }) => images));
  const seconds = (performance.now() - startedAt) / 1000;
  const megabytes = (process.memoryUsage().heapUsed - before) / 1e6;
  console.log(`${FILES} files: ${seconds.toFixed(2)} s, ${megabytes.toFixed(0)} MB with all names`);
  expect(dataset).toMatchObject({ imageCount: FILES, ignoredCount: 0 });
  expect(dataset.classes).toHaveLength(CLASSES);
  expect(stems.size).toBe(FILES);
  expect(seen.length).toBeGreaterThan(FILES / 1000);
  expect(seen[0]).toBeLessThan(1000);
  expect(seconds).toBeLessThan(20);
  expect(megabytes).toBeLessThan(150);
});

it('is left in the middle when the job is cancelled', async () => {
  const folder = new EndlessFolder();
  const abort = new AbortController();
  const reading = readClasses([folder], (count) => count >= 2000 && abort.abort(), abort.signal);
  await expect(reading).rejects.toThrow();
  expect(folder.listed).toBeLessThan(3000);
});
