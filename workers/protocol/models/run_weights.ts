/** Which of the values that a run holds a model is made of. */
import type { RunWeights } from './models.ts';

/**
 * `step 400, best validation accuracy, moving averages`
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
      : [`best ${bestBy === 'pairs' ? 'accuracy on pairs' : 'validation accuracy'}`]),
    ...(areMovingAverages ? ['moving averages'] : []),
  ].join(', ');
}
