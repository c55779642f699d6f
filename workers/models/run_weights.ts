/** Which of the values that a run holds a model is made of. */
import type { RunWeights } from '../protocol/models.ts';
import type { ModelMetadata } from './metadata.ts';

/** @returns undefined for a model that is not from a run of this browser */
export function runWeights(metadata: ModelMetadata | undefined): RunWeights | undefined {
  if (metadata?.run === undefined || metadata.step === undefined) return undefined;
  const { step, best_by: bestBy, moving_averages: areMovingAverages = false } = metadata;
  return { step, bestBy, areMovingAverages };
}

/**
 * `step 400, the best by the validation, moving averages`
 * @param formatStep in the reader's notation
 */
export function describeWeights(
  { step, bestBy, areMovingAverages }: RunWeights,
  formatStep: (step: number) => string = String,
): string {
  return [
    `step ${formatStep(step)}`,
    ...(bestBy === undefined
      ? []
      : [`the best by ${bestBy === 'pairs' ? 'the accuracy on pairs' : 'the validation'}`]),
    ...(areMovingAverages ? ['moving averages'] : []),
  ].join(', ');
}
