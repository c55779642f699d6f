/** What of a run an evaluation has measured, in words. */
import { describeWeights } from '../../workers/protocol/models/run_weights.ts';
import type { EvaluationOverview } from '../../workers/protocol/evaluate/evaluate.ts';
import { formatCount } from '../ui/format.ts';

/** `run 20260101-100000, step 400, best validation accuracy, moving averages` */
export function measuredTitle({
  modelName,
  step,
  weights,
}: Pick<EvaluationOverview, 'modelName' | 'step' | 'weights'>): string {
  return withWeights(modelName, { step, weights });
}

/** @param subject what is said before it */
export function withWeights(
  subject: string,
  { step, weights }: Pick<EvaluationOverview, 'step' | 'weights'>,
): string {
  if (weights) return `${subject}, ${describeWeights(weights, formatCount)}`;
  return step === undefined ? subject : `${subject}, step ${formatCount(step)}`;
}
