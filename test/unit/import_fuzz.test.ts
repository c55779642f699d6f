/**
 * 20,000 damaged files of every kind that is read (test/fuzz): each is read, or refused by an error with a name, in
 * bounded time and memory. `npm run fuzz` tries many more.
 */
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { FUZZED_FORMATS } from '../fuzz/formats.ts';
import { damagedFile, filesOf, fuzzFormat, FuzzFailure } from '../fuzz/fuzz.ts';
import { mutate } from '../fuzz/mutate.ts';
import { Random } from '../fuzz/random.ts';
import { kerasFile } from './import_writers.ts';

const FILES = 20_000;
const FIRST_SEED = 1;
/** They are read in a thread, which makes each of them ten times as slow. */
const KERAS_FILES = 500;
const LONGEST_MS = 10_000;
const LIMIT_MS = 300_000;

const keras = await kerasFile(
  new Map([['a/kernel', { shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) }]]),
  false,
);

describe('damaged files', () => {
  for (const format of FUZZED_FORMATS)
    it(`of ${format.name} are read, or refused by name`, { timeout: LIMIT_MS }, async () => {
      // The honest file is read: otherwise every damaged one would be refused for nothing.
      if (!format.isAlwaysRefused) await format.read(format.assemble(format.parts));
      const files = filesOf(format, FILES - KERAS_FILES);
      const { refused } = await fuzzFormat(format, FIRST_SEED, files);
      // A reader that refuses nothing checks nothing.
      if (format.errors.length > 0) expect(refused).toBeGreaterThan(files / 20);
    });

  it('are the same for the same seed, and others for another one', () => {
    const [format] = FUZZED_FORMATS;
    expect(damagedFile(format!, 7)).toEqual(damagedFile(format!, 7));
    expect(damagedFile(format!, 8)).not.toEqual(damagedFile(format!, 7));
  });

  it('that make a reader fail without a name, or fill the memory, are told with the command to make them again', async () => {
    const [format] = FUZZED_FORMATS;
    const broken = {
      ...format!,
      read: (): never => {
        throw new RangeError('Maximum call stack size exceeded');
      },
    };
    const failure = fuzzFormat(broken, 41, 2);
    await expect(failure).rejects.toThrow(FuzzFailure);
    await expect(failure).rejects.toThrow(
      `without a name: RangeError: Maximum call stack size exceeded. Make it again: npm run fuzz -- --format ${format!.name} --seed 41 --files 1`,
    );
    const greedy = { ...format!, read: () => new Float32Array(30_000_000) };
    await expect(fuzzFormat(greedy, 41, 2)).rejects.toThrow('allocates 120000000');
  });

  it(
    'of Keras are read or refused by name, in a thread that a bad one may stop',
    { timeout: LIMIT_MS },
    async () => {
      let thread: Worker | undefined;
      let stopped = 0;
      let refused = 0;
      try {
        for (let seed = FIRST_SEED; seed < FIRST_SEED + KERAS_FILES; seed++) {
          const bytes = mutate(keras, new Random(seed));
          thread ??= startThread();
          const { error, message } = await answerOf(thread, bytes);
          if (error === undefined) continue;
          if (error !== 'Hdf5Error') throw new Error(`The Keras file of seed ${seed}: ${error}: ${message}`);
          if (
            message === 'The HDF5 file cannot be read: it is damaged.' ||
            message?.startsWith('The thread')
          ) {
            // The library stands still now: as the page does, go on with another one.
            stopped++;
            await thread.terminate();
            thread = undefined;
          }
          refused++;
        }
      } finally {
        await thread?.terminate();
      }
      expect(refused).toBeGreaterThan(KERAS_FILES / 20);
      console.info(
        `${stopped} of ${KERAS_FILES} damaged Keras files stopped the HDF5 library in their thread.`,
      );
    },
  );
});

/** TypeScript is no language of threads; tsx teaches it to them. */
function startThread(): Worker {
  const file = JSON.stringify(new URL('./keras_thread.ts', import.meta.url).href);
  return new Worker(`import('tsx/esm/api').then(({ register }) => (register(), import(${file})))`, {
    eval: true,
  });
}

/** A thread that ends, or is busy for too long, is an answer, too. */
function answerOf(thread: Worker, bytes: Uint8Array): Promise<{ error?: string; message?: string }> {
  return new Promise((resolve) => {
    const timer = setTimeout(
      () => answer({ error: 'Hdf5Error', message: 'The thread is busy.' }),
      LONGEST_MS - 1000,
    );
    const onError = (error: Error): void =>
      answer({ error: 'Hdf5Error', message: `The thread ended: ${error.message}` });
    const answer = (outcome: { error?: string; message?: string }): void => {
      clearTimeout(timer);
      thread.off('message', answer);
      thread.off('error', onError);
      resolve(outcome);
    };
    thread.on('message', answer);
    thread.on('error', onError);
    thread.postMessage(bytes);
  });
}
