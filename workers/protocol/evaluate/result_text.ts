/** An evaluation's result as text: the lines of the original's validate_on_lfw, and what it does not print. */
import type { EvaluationResult } from './evaluate.ts';

type Figures = Pick<
  EvaluationResult,
  'accuracy' | 'accuracyStd' | 'val' | 'valStd' | 'far' | 'auc' | 'eer' | 'plain'
>;

/** validate_on_lfw's lines, and the threshold for comparing two faces. */
export function resultLines(result: Figures): string[] {
  return [
    `Accuracy: ${result.accuracy.toFixed(5)}+-${result.accuracyStd.toFixed(5)}`,
    `Validation rate: ${result.val.toFixed(5)}+-${result.valStd.toFixed(5)} @ FAR=${result.far.toFixed(5)}`,
    `Area Under Curve (AUC): ${result.auc.toFixed(3)}`,
    `Equal Error Rate (EER): ${result.eer.toFixed(3)}`,
    ...(result.plain
      ? [
          `Threshold for comparing two faces (Euclidean, no mirroring, no mean): ${result.plain.threshold.toPrecision(4)}, accuracy ${result.plain.accuracy.toFixed(5)}`,
        ]
      : []),
  ];
}

/** A line a fold: its accuracy, and the thresholds that the other folds gave it. */
export function foldLines(
  result: Pick<
    EvaluationResult,
    'accuracyPerFold' | 'bestThresholdPerFold' | 'valThresholdPerFold' | 'farTarget'
  >,
): string[] {
  return [
    `Fold\tAccuracy\tThreshold\tThreshold @ FAR=${result.farTarget}`,
    ...result.accuracyPerFold.map((accuracy, fold) =>
      [
        fold + 1,
        accuracy.toFixed(5),
        result.bestThresholdPerFold[fold]!.toFixed(2),
        result.valThresholdPerFold[fold]!.toFixed(4),
      ].join('\t'),
    ),
  ];
}

/** Pairs on the wrong side of their fold's threshold, a line each. */
export function wrongPairLines({ falseAccepts, falseRejects }: EvaluationResult['wrong']): string[] {
  return (
    [
      ['False accept', falseAccepts],
      ['False reject', falseRejects],
    ] as const
  ).flatMap(([title, pairs]) =>
    pairs.map(
      ({ first, second, distance, threshold }) =>
        `${title}\t${first}\t${second}\tdistance ${distance.toFixed(4)}\tthreshold ${threshold.toFixed(2)}`,
    ),
  );
}

/** All figures as plain values; each pair's distance is left out. */
export function resultJson(result: EvaluationResult): Record<string, unknown> {
  const { measured: _pairs, roc, skippedFiles: skipped = [], ...figures } = result;
  return {
    ...figures,
    skipped,
    roc: {
      falseAcceptRate: [...roc.falseAcceptRate],
      trueAcceptRate: [...roc.trueAcceptRate],
    },
  };
}
