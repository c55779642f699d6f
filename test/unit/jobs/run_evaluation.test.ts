import { expect, it } from 'vitest';
import { FileUnreadableError, FolderMissingError } from '../../../workers/protocol/data/file_errors.ts';
import { MemoryDirectory } from '../../../workers/files/memory_directory.ts';
import { validateRun } from '../../../workers/jobs/train/run_evaluation.ts';
import { NothingReadableError, type LabelledImage } from '../../../workers/training/batch_source.ts';
import type { Trainer, LabelledBatch } from '../../../workers/compute/executor.ts';
import { defaultTrainingOptions } from '../../../workers/protocol/train/options.ts';

const directory = new MemoryDirectory('faces');
const images: LabelledImage[] = Array.from({ length: 5 }, (_, label) => ({
  file: { path: `${label}/1.png`, directory },
  label,
}));
const options = { ...defaultTrainingOptions(), batch_size: 2, image_size: 4 };
const pixels = { width: 4, height: 4, data: new Uint8Array(48) };

/** The accuracy of a batch is the mean of its labels, so the total shows which images were counted. */
const executor = {
  evaluateBatch: async ({ labels, count }: LabelledBatch) => ({
    totalLoss: 1,
    crossEntropy: 1,
    accuracy: labels.reduce((sum, label) => sum + label, 0) / count,
  }),
} as unknown as Trainer;

it('a validation leaves out the photos that cannot be read, by name, and counts the others', async () => {
  const told: string[] = [];
  const unreadable = ['1/1.png', '4/1.png'];
  const result = await validateRun(
    executor,
    options,
    images,
    async ({ path }) => {
      if (unreadable.includes(path)) throw new FileUnreadableError(path, 'EACCES');
      return pixels;
    },
    (error) => told.push(error.message),
  );
  // The mean of the labels 0, 2 and 3.
  expect(result.accuracy).toBeCloseTo(5 / 3, 10);
  expect(result.totalLoss).toBe(1);
  expect(told.map((message) => message.split(' ')[0])).toEqual(unreadable);
});

it('a validation ends where the folder is gone, or nothing can be read', async () => {
  const failing = (error: Error) => validateRun(executor, options, images, () => Promise.reject(error));
  await expect(failing(new FolderMissingError('faces'))).rejects.toThrow(FolderMissingError);
  await expect(failing(new FileUnreadableError('0/1.png', 'EIO'))).rejects.toThrow(NothingReadableError);
});
