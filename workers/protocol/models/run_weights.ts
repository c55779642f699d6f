/** Which of the values that a run holds a model is made of. */
import type { RunWeights } from './models.ts';

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
