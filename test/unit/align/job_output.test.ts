/** The zip file of a job: complete if the job succeeds, and absent if it fails. */
import { expect, it } from 'vitest';
import type { WritableDirectory } from '../../../workers/protocol/data/directories.ts';
import { ZipNotWrittenError } from '../../../workers/formats/zip_directory.ts';
import { ZipFile } from '../../../workers/formats/zip_reader.ts';
import { withOutput } from '../../../workers/jobs/job_output.ts';

/** Stands in for the page's end of the stream: records what is written, and how it ended. */
class Taker {
  readonly chunks: Uint8Array<ArrayBuffer>[] = [];
  end: unknown = 'open';
  readonly stream: WritableStream<Uint8Array>;

  /** @param room bytes */
  constructor(room = Infinity) {
    let left = room;
    this.stream = new WritableStream<Uint8Array>({
      write: (chunk) => {
        left -= chunk.byteLength;
        if (left < 0) throw new Error('There is not enough space.');
        this.chunks.push(chunk.slice());
      },
      close: () => void (this.end = 'closed'),
      abort: (reason) => void (this.end = reason),
    });
  }
}

const output = (taker: Taker) => ({ kind: 'zip', stream: taker.stream }) as const;

async function writeTwo(open: () => Promise<WritableDirectory>): Promise<string> {
  const directory = await open();
  await directory.write('a/1.txt', 'one');
  await directory.write('a/2.txt', 'two');
  return 'written';
}

it('is complete when the job has ended', async () => {
  const taker = new Taker();
  expect(await withOutput(output(taker), writeTwo)).toBe('written');
  expect(taker.end).toBe('closed');
  const zip = await ZipFile.open(new Blob(taker.chunks), 'a.zip');
  expect([...zip.entries.keys()]).toEqual(['a/1.txt', 'a/2.txt']);
});

it.each([
  ['before it writes', false],
  ['in the middle', true],
])('tells whoever takes the bytes when the job fails %s', async (_, writes) => {
  const taker = new Taker();
  const failure = new Error('The network is broken.');
  const work = async (open: () => Promise<WritableDirectory>): Promise<void> => {
    if (writes) await writeTwo(open);
    throw failure;
  };
  await expect(withOutput(output(taker), work)).rejects.toBe(failure);
  expect(taker.end).toBe(failure);
});

it('ends the job with the reason if the output refuses the bytes', async () => {
  const failed: unknown[] = [];
  const fill = async (open: () => Promise<WritableDirectory>): Promise<void> => {
    const directory = await open();
    for (let index = 0; index < 50; index++)
      try {
        await directory.write(`${index}.bin`, new Uint8Array(1000));
      } catch (error) {
        failed.push(error);
        throw error;
      }
  };
  const ended = withOutput(output(new Taker(5000)), fill);
  await expect(ended).rejects.toThrow('There is not enough space.');
  await expect(ended).rejects.toBeInstanceOf(ZipNotWrittenError);
  expect(failed).toHaveLength(1);
});

it('ends the job, too, where only the end of the zip finds no room', async () => {
  // The size of the entries, without the directory at the end.
  const whole = new Taker();
  await withOutput(output(whole), writeTwo);
  const size = whole.chunks.reduce((sum, { byteLength }) => sum + byteLength, 0);
  await expect(withOutput(output(new Taker(size - 10)), writeTwo)).rejects.toBeInstanceOf(ZipNotWrittenError);
});
