/**
 * The threshold between same and different, taken from an evaluation of the model. Evaluations measure squared Euclidean
 * distances or angles, perhaps of both orientations side by side; here it is the Euclidean distance of two embeddings of
 * length 1.
 */
import type { EvaluationOverview } from '../../../workers/protocol/evaluate.ts';

export interface EvaluationThreshold {
  /** Euclidean, 0 … 2. */
  readonly threshold: number;
  /** The evaluation subtracted the mean embedding, or mirrored photos: here neither is done. */
  readonly isApproximate: boolean;
}

export function evaluationThreshold({
  result,
  options,
}: Pick<EvaluationOverview, 'options'> & {
  readonly result: Pick<EvaluationOverview['result'], 'bestThresholdPerFold'>;
}): EvaluationThreshold {
  const folds = result.bestThresholdPerFold;
  const mean = folds.reduce((sum, threshold) => sum + threshold, 0) / folds.length;
  const {
    lfw_distance_metric: metric,
    lfw_use_flipped_images: flipped,
    lfw_subtract_mean: centred,
  } = options;
  return {
    threshold: metric === 1 ? chord(mean * Math.PI) : Math.sqrt(flipped ? mean / 2 : mean),
    isApproximate: flipped || centred,
  };
}

/** The distance of two points of the unit sphere. */
function chord(angle: number): number {
  return 2 * Math.sin(Math.min(angle, Math.PI) / 2);
}
