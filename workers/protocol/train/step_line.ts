/** A step in one line, for logs in a terminal and on the page. */
import type { StepRecord } from './runs.ts';

/** train_softmax's line a step; its RegLoss is the sum of all losses but the cross entropy, with their factors. */
export function formatStep(record: StepRecord, stepsPerEpoch: number): string {
  return [
    `Epoch: [${record.epoch}][${record.batch}/${stepsPerEpoch}]`,
    `Time ${(record.stepMs / 1000).toFixed(3)}`,
    `Loss ${record.totalLoss.toFixed(3)}`,
    `Xent ${record.crossEntropy.toFixed(3)}`,
    `RegLoss ${(record.totalLoss - record.crossEntropy).toFixed(3)}`,
    `Accuracy ${record.accuracy.toFixed(3)}`,
    `Lr ${record.learningRate.toFixed(5)}`,
    `Cl ${record.centerLoss.toFixed(3)}`,
  ].join('\t');
}
