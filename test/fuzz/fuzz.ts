/**
 * Reads damaged files in every format. Each must give a value or a named error, in a bounded number of steps and in
 * bounded memory. Nothing is timed, so a busy machine gives the same result as an idle one. A file depends only on its
 * seed, so it can be made again.
 */
import { FUZZED_FORMATS, type FuzzedFormat } from './formats.ts';
import { mutate } from './mutate.ts';
import { Random } from './random.ts';
import { TooManyStepsError, WorkMeter } from './work_meter.ts';

/** The most steps for reading one file of a few kilobytes. work_meter.ts defines a step. */
const MOST_STEPS = 1_000_000;
/** A small archive may unpack to 16 MiB, and bytes become float32. */
const MOST_ALLOCATED_BYTES = 100e6;
/** The memory limit of the whole process, including unused buffers that are not freed yet. */
const MOST_MEMORY_BYTES = 1.5e9;
const FILES_BETWEEN_MEASUREMENTS = 100;

export interface FuzzResult {
  readonly files: number;
  readonly refused: number;
  readonly mostSteps: number;
  readonly mostAllocatedBytes: number;
  readonly memoryBytes: number;
}

export class FuzzFailure extends Error {
  override name = 'FuzzFailure';
  constructor(format: string, seed: number, problem: string, cause?: unknown) {
    super(
      `A damaged file of ${format} ${problem}. Make it again: npm run fuzz -- --format ${format} --seed ${seed} --files 1`,
      { cause },
    );
  }
}

/** The damaged file of a seed. Either the file itself is damaged, or a part with correct lengths and checksums. */
export function damagedFile({ parts, assemble }: FuzzedFormat, seed: number): Uint8Array<ArrayBuffer> {
  const random = new Random(seed);
  if (random.once(2)) return mutate(assemble(parts), random);
  const damaged = random.below(parts.length);
  return assemble(parts.map((part, index) => (index === damaged ? mutate(part, random) : part)));
}

/** Reads the files of the seeds from `firstSeed` on. @throws FuzzFailure */
export async function fuzzFormat(
  format: FuzzedFormat,
  firstSeed: number,
  files: number,
): Promise<FuzzResult> {
  let refused = 0;
  let mostSteps = 0;
  let mostAllocatedBytes = 0;
  let memoryBytes = 0;
  for (let seed = firstSeed; seed < firstSeed + files; seed++) {
    const bytes = damagedFile(format, seed);
    const meter = new WorkMeter(MOST_STEPS);
    meter.start();
    try {
      await format.read(bytes);
    } catch (error) {
      refused++;
      if (error instanceof TooManyStepsError)
        throw new FuzzFailure(
          format.name,
          seed,
          `of ${bytes.length} bytes takes more than ${MOST_STEPS} steps`,
        );
      if (!format.errors.some((kind) => error instanceof kind))
        throw new FuzzFailure(format.name, seed, `throws an error without a name: ${String(error)}`, error);
      if (error instanceof Error && error.message.length > 2000)
        throw new FuzzFailure(format.name, seed, `gives a message of ${error.message.length} characters`);
    } finally {
      meter.stop();
    }
    // A reader may have caught the error that ended it.
    if (meter.steps > MOST_STEPS)
      throw new FuzzFailure(
        format.name,
        seed,
        `of ${bytes.length} bytes takes more than ${MOST_STEPS} steps`,
      );
    mostSteps = Math.max(mostSteps, meter.steps);
    mostAllocatedBytes = Math.max(mostAllocatedBytes, meter.bytes);
    if (meter.bytes > MOST_ALLOCATED_BYTES)
      throw new FuzzFailure(format.name, seed, `of ${bytes.length} bytes allocates ${meter.bytes}`);
    if (seed % FILES_BETWEEN_MEASUREMENTS === 0) {
      memoryBytes = Math.max(memoryBytes, process.memoryUsage().rss);
      if (memoryBytes > MOST_MEMORY_BYTES)
        throw new FuzzFailure(format.name, seed, `or one before it leaves ${memoryBytes} bytes in use`);
    }
  }
  return { files, refused, mostSteps, mostAllocatedBytes, memoryBytes };
}

/** The number of files per format, out of `total`. */
export function filesOf({ share }: FuzzedFormat, total: number): number {
  const shares = FUZZED_FORMATS.reduce((sum, format) => sum + format.share, 0);
  return Math.ceil((total * share) / shares);
}
