/** Updates the parameters in the flat buffers, in ranges that one kernel may bind. */
import { optimizerSlots } from '../../step/optimizers.ts';
import { findNotFinite, updateLossScale } from '../kernels/loss_scale.ts';
import { gradientNorm } from '../kernels/losses.ts';
import { optimizerStep, squareParts } from '../kernels/optimizer.ts';
import { storage, type Storage } from '../tensor_view.ts';
import type { ProgramBuilder } from './program_builder.ts';

const PARTS_OF_SQUARES = { alone: 64, workgroup: 8192 } as const;

export function addOptimizer(program: ProgramBuilder): void {
  const { training: settings, layout, lossScale } = program;
  const options = {
    optimizer: settings.optimizer,
    slots: optimizerSlots(settings.optimizer).length,
    weightDecay: settings.weightDecay,
    hasMovingAverage: settings.movingAverageDecay > 0,
    regularizedFloats: layout.regularizedFloats,
    lossScale,
  };
  const ranges = flatRanges(program, layout.trainableFloats);
  if (lossScale) program.add(...ranges.map(({ offset, floats }) => findNotFinite(offset, floats, lossScale)));
  program.add(
    ...ranges.map(({ offset, floats }) => optimizerStep(options, offset, floats, program.region('step'))),
  );
  if (lossScale) program.add(updateLossScale(lossScale));
}

/** Runs after the optimizer, which adds the weight decay to the gradients and divides them by the loss scale. */
export function addGradientNorm(program: ProgramBuilder): void {
  const squares = squaredSums(program, 'gradients', program.layout.trainableFloats);
  program.add(gradientNorm(program.region('metrics'), squares, program.cooperation));
}

/** Partial sums of the squares of a flat buffer's first `count` values. */
export function squaredSums(
  program: ProgramBuilder,
  buffer: 'parameters' | 'gradients',
  count: number,
): { readonly memory: Storage; readonly parts: number } {
  const ranges = flatRanges(program, count);
  const partsOfRange = PARTS_OF_SQUARES[program.cooperation];
  const parts = ranges.length * partsOfRange;
  const memory = storage(`squared ${buffer}`, parts);
  ranges.forEach(({ offset, floats }, index) =>
    program.add(squareParts(buffer, offset, floats, memory, index * partsOfRange, partsOfRange)),
  );
  return { memory, parts };
}

function flatRanges(
  { maximumRangeFloats }: ProgramBuilder,
  floats: number,
): { readonly offset: number; readonly floats: number }[] {
  const ranges: { offset: number; floats: number }[] = [];
  for (let offset = 0; offset < floats; offset += maximumRangeFloats)
    ranges.push({ offset, floats: Math.min(maximumRangeFloats, floats - offset) });
  return ranges;
}
