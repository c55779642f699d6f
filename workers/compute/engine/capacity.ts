/** How much GPU memory a run needs, and whether a device has it. Computed before anything is allocated. */
import { canTrain, type ExecutorSettings } from '../executor.ts';
import { BatchTooLargeError, formatMegabytes } from '../../gpu/errors.ts';
import { alignFloats } from './flat_layout.ts';
import { Lowering, type Program } from './lowering.ts';
import { planMemory, type MemoryPlan } from './memory_plan.ts';
import type { BufferName } from './tensor_view.ts';
import { defaultVariants, type Variants } from './variants.ts';
import { type AdapterTraits } from '../../gpu/device.ts';

export interface DeviceLimits {
  readonly maxBufferSize: number;
  readonly maxStorageBufferBindingSize: number;
}

export interface PlannedProgram extends Program {
  readonly memory: MemoryPlan;
}

export interface PlannedRun {
  readonly lowering: Lowering;
  readonly programs: readonly PlannedProgram[];
  /** Sizes of the long-lived buffers, floats. */
  readonly buffers: ReadonlyMap<BufferName, number>;
  /** Sizes of the arena's buffers, floats. The programs share them. */
  readonly blocks: readonly number[];
  /** Total: parameters, gradients, optimizer state, activations, workspace, images. */
  readonly bytes: number;
}

/** Training crops of 160 pixels are cut out of images of 182 pixels, so uploads are larger by the square of this. */
const STORED_SIZE_FACTOR = 182 / 160;

/** Bytes of the uploaded pixels, as long as the size of the stored images is unknown. */
export function defaultPixelBytes({ batchSize, imageSize }: ExecutorSettings): number {
  const size = Math.ceil(imageSize * STORED_SIZE_FACTOR);
  return batchSize * size * size * 3;
}

/** Makes all programs of a run and places their storages. A pure function that takes some milliseconds. */
export function planRun(settings: ExecutorSettings, limits: DeviceLimits, variants: Variants): PlannedRun {
  // A multiple of the bindings' alignment. Half the limit, so that no dispatch of the optimizer runs long.
  const maximumRangeFloats = alignFloats(Math.floor(limits.maxStorageBufferBindingSize / 8) - 64);
  const lowering = new Lowering({ settings, variants, maximumRangeFloats });
  const kinds = canTrain(settings)
    ? (['training', 'evaluation', 'embedding'] as const)
    : (['embedding'] as const);
  const maximumBlockFloats = Math.floor(limits.maxBufferSize / 4);
  const programs = kinds.map((kind): PlannedProgram => {
    const program = lowering.program(kind);
    return { ...program, memory: planMemory(program.kernels, maximumBlockFloats) };
  });
  const blocks: number[] = [];
  for (const { memory } of programs)
    for (const [index, floats] of memory.blocks.entries())
      blocks[index] = Math.max(blocks[index] ?? 0, floats);
  const buffers = lowering.bufferFloats(defaultPixelBytes(settings));
  const floats = [...buffers.values(), ...blocks].reduce((sum, size) => sum + size, 0);
  return { lowering, programs, buffers, blocks, bytes: floats * 4 };
}

/** @returns why a planned run does not fit a device; undefined if it fits */
export function reasonItDoesNotFit(run: PlannedRun, limits: DeviceLimits): string | undefined {
  const bindingFloats = limits.maxStorageBufferBindingSize / 4;
  const bufferFloats = limits.maxBufferSize / 4;
  for (const { kernels } of run.programs)
    for (const kernel of kernels)
      for (const { memory } of kernel.bindings)
        if (memory.floats > bindingFloats)
          return `${kernel.name} needs ${formatMegabytes(memory.floats * 4)} in one binding, and this adapter binds ${formatMegabytes(bindingFloats * 4)} at most`;
  for (const floats of [...run.blocks, ...run.buffers.values()])
    if (floats > bufferFloats)
      return `a buffer of ${formatMegabytes(floats * 4)} is needed, and this adapter makes buffers of ${formatMegabytes(bufferFloats * 4)} at most`;
  return undefined;
}

/** @throws BatchTooLargeError */
export function requireFit(
  settings: ExecutorSettings,
  run: PlannedRun,
  limits: DeviceLimits,
  traits: AdapterTraits,
): void {
  const reason = reasonItDoesNotFit(run, limits);
  if (reason !== undefined)
    throw new BatchTooLargeError(settings.batchSize, largestBatch(settings, limits, traits), reason);
}

/**
 * The largest batch that fits a device, 0 if none does. Ignores the batch size of the settings.
 * @param memoryBytes the most that the whole run may take, if known
 */
export function largestBatch(
  settings: ExecutorSettings,
  limits: DeviceLimits,
  traits: AdapterTraits,
  memoryBytes = Infinity,
): number {
  const fits = (batchSize: number): boolean => {
    const run = planRun({ ...settings, batchSize }, limits, defaultVariants(traits));
    return run.bytes <= memoryBytes && reasonItDoesNotFit(run, limits) === undefined;
  };
  const maximum = 4096;
  let largest = fits(1) ? 1 : 0;
  if (largest === 0) return 0;
  let tooLarge = 2;
  while (tooLarge <= maximum && fits(tooLarge)) {
    largest = tooLarge;
    tooLarge *= 2;
  }
  while (tooLarge - largest > 1) {
    const middle = Math.floor((largest + tooLarge) / 2);
    if (fits(middle)) largest = middle;
    else tooLarge = middle;
  }
  return largest;
}
