/**
 * The measurements of a run as TensorBoard scalars, with the tags of the original if it has them: learning_rate,
 * lfw/accuracy, lfw/val_rate, time/total, time/lfw. Times are in seconds, as in the original.
 */
import type { EvaluationSummary, StepRecord, ValidationRecord } from '../protocol/train/runs.ts';

type Scalars = Readonly<Record<string, number>>;

export function stepScalars(record: StepRecord): Scalars {
  return {
    'loss/total': record.totalLoss,
    'loss/cross_entropy': record.crossEntropy,
    'loss/regularization': record.regularization,
    'loss/prelogits_norm': record.prelogitsNorm,
    'loss/center_loss': record.centerLoss,
    accuracy: record.accuracy,
    ...(record.gradientNorm !== undefined && { gradient_norm: record.gradientNorm }),
    learning_rate: record.learningRate,
    'time/step': record.stepMs / 1000,
    'time/data_wait': record.dataWaitMs / 1000,
  };
}

/** @param trainMs the total time of the epoch's steps */
export function epochScalars(trainMs: number): Scalars {
  return { 'time/total': trainMs / 1000 };
}

export function validationScalars({
  totalLoss,
  crossEntropy,
  accuracy,
  durationMs,
}: ValidationRecord): Scalars {
  return {
    ...(totalLoss === undefined ? {} : { 'validation/total': totalLoss }),
    'validation/cross_entropy': crossEntropy,
    'validation/accuracy': accuracy,
    ...(durationMs === undefined ? {} : { 'time/validate': durationMs / 1000 }),
  };
}

export function evaluationScalars({ accuracy, valRate, durationMs }: EvaluationSummary): Scalars {
  return {
    'lfw/accuracy': accuracy,
    'lfw/val_rate': valRate,
    ...(durationMs === undefined ? {} : { 'time/lfw': durationMs / 1000 }),
  };
}
