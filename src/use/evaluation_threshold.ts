/**
 * The threshold between same and different that evaluations of the model have measured for embeddings as they are: the
 * Euclidean distance of two vectors of length 1. Evaluations that an earlier version kept have none: their own thresholds
 * may belong to mirrored photos or embeddings without their mean, and would be wrong here.
 */
import type { EvaluationOverview } from '../../workers/protocol/evaluate/evaluate.ts';
import type { RunRecord } from '../../workers/protocol/train/runs.ts';
import type { ModelChoice } from '../choose/model_choice.svelte.ts';

export interface OfferedThreshold {
  /** The evaluation's. */
  readonly id: string;
  /** Euclidean, 0 … 2. */
  readonly threshold: number;
  /** The share of the pairs that are judged rightly with it. */
  readonly accuracy: number;
  readonly imagesName: string;
  /** The run's step that was measured, where that is not the one that is used now. */
  readonly otherStep: number | undefined;
}

type ChosenValues = Pick<ModelChoice['weights'], 'checkpoint' | 'useMovingAverages'>;

/**
 * @param evaluations of the model
 * @param run undefined for a model that is no run of this browser
 * @returns those that fit the values that are used first, then the newest first
 */
export function offeredThresholds(
  evaluations: readonly EvaluationOverview[],
  run?: Pick<RunRecord, 'step' | 'best'>,
  chosen?: ChosenValues,
): OfferedThreshold[] {
  return [...evaluations]
    .sort((a, b) => b.at - a.at)
    .flatMap((evaluation): OfferedThreshold[] => {
      const { id, imagesName, result } = evaluation;
      if (!result.plain) return [];
      const otherStep = run && chosen && !isOfChosen(evaluation, run, chosen) ? evaluation.step : undefined;
      return [{ id, imagesName, ...result.plain, otherStep }];
    })
    .sort((a, b) => Number(a.otherStep !== undefined) - Number(b.otherStep !== undefined));
}

/** Whether the evaluation measured the values that are used. */
function isOfChosen(
  { step, weights }: EvaluationOverview,
  run: Pick<RunRecord, 'step' | 'best'>,
  { checkpoint, useMovingAverages }: ChosenValues,
): boolean {
  const usedStep = checkpoint === 'newest' ? run.step : checkpoint === 'best' ? run.best?.step : checkpoint;
  return step === usedStep && (weights?.areMovingAverages ?? false) === useMovingAverages;
}
