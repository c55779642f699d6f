/** The filter table of a dataset, with a fake executor. */
import { expect, it } from 'vitest';
import { UnreadableImageError } from '../../../workers/protocol/data/file_errors.ts';
import { makeDistanceTable } from '../../../workers/jobs/train/distance_table_job.ts';
import { EvaluationCancelledError } from '../../../workers/jobs/errors.ts';
import { type ReadImage } from '../../../workers/jobs/embed.ts';
import { JobControl } from '../../../workers/protocol/job_control.ts';
import type { LoadedModel } from '../../../workers/models/loaded_model.ts';
import type { DirectoryReference } from '../../../workers/protocol/data/dataset.ts';
import type { EmbedderFactory, ImageBatch } from '../../../workers/compute/executor.ts';
import { imagesToLeaveOut } from '../../../workers/training/filter.ts';
import { parseDistanceTable } from '../../../workers/formats/distance_table.ts';
import { smallGraph } from '../formats/formats_reference.ts';

const SIZE = 8;
const model: LoadedModel = {
  name: 'stand-in',
  graph: smallGraph(1),
  parameters: new Map(),
  imageSize: SIZE,
  useFixedImageStandardization: true,
};

/** The only value of an embedding is the first pixel. */
const createEmbedder: EmbedderFactory = async () => ({
  embed: async ({ count, pixels, height, width }: ImageBatch) =>
    Float32Array.from({ length: count }, (_, image) => pixels[image * height * width * 3]!),
  dispose: () => undefined,
});

/** The text of a file is its value. */
const read: ReadImage = async ({ path, directory }) => {
  const value = Number(await (await directory.read(path)).text());
  if (Number.isNaN(value)) throw new UnreadableImageError(path, 'it is damaged');
  return { width: SIZE, height: SIZE, data: new Uint8Array(SIZE * SIZE * 3).fill(value) };
};

const images: DirectoryReference = {
  kind: 'files',
  name: 'faces',
  files: Object.entries({
    'Ann/1.png': '10',
    'Ann/2.png': '10',
    'Ann/3.png': '40',
    'Ben/1.png': '7',
    'Ben/2.png': 'broken',
    'Ben/3.png': '9',
  }).map(([path, text]) => ({ path, file: new File([text], path) })),
};

it('gives each image’s distance from the centre of its class, the farthest first', async () => {
  const progress: number[] = [];
  const table = await makeDistanceTable(
    model,
    { images: [images], batch_size: 2 },
    createEmbedder,
    new JobControl(),
    ({ done }) => progress.push(done),
    read,
  );
  expect(parseDistanceTable(table.text)).toEqual([
    { path: 'Ann/1.png', distance: 10 },
    { path: 'Ann/2.png', distance: 10 },
    { path: 'Ann/3.png', distance: 20 },
    { path: 'Ben/1.png', distance: 1 },
    { path: 'Ben/3.png', distance: 1 },
  ]);
  expect(table.largest[0]).toEqual({ path: 'Ann/3.png', distance: 20 });
  expect(table).toMatchObject({ classCount: 2, imageCount: 5 });
  expect(table.failures).toEqual([expect.stringContaining('Ben/2.png')]);
  expect(progress.at(-1)).toBe(6);
  // In the format for filter_filename.
  expect([...imagesToLeaveOut(parseDistanceTable(table.text), 90)]).toEqual(['Ann/3.png']);
});

it('can be cancelled', async () => {
  const control = new JobControl();
  control.cancel();
  await expect(
    makeDistanceTable(model, { images: [images], batch_size: 2 }, createEmbedder, control, undefined, read),
  ).rejects.toThrow(EvaluationCancelledError);
});
