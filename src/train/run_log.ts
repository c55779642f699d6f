/** The lines of a run's log: the original's for steps, and sentences for what is measured and saved between them. */
import type {
  BestModel,
  CheckpointSummary,
  EvaluationSummary,
  StepRecord,
  ValidationRecord,
} from '../../workers/protocol/train/runs.ts';
import { formatStep } from '../../workers/protocol/train/step_line.ts';
import { formatBytes, formatShare } from '../ui/format.ts';

export interface LogEntry {
  readonly text: string;
  readonly kind: 'step' | 'note' | 'warning';
}

export function stepEntry(record: StepRecord, epochSize: number): LogEntry {
  return { text: formatStep(record, epochSize), kind: 'step' };
}

export function validationText({ epoch, crossEntropy, accuracy }: ValidationRecord): string {
  return `Validation after epoch ${epoch}: cross entropy ${crossEntropy.toFixed(3)}, accuracy ${formatShare(accuracy)}`;
}

export function evaluationText({ epoch, accuracy, valRate }: EvaluationSummary): string {
  return `Evaluation after epoch ${epoch}: accuracy ${formatShare(accuracy)}, validation rate ${formatShare(valRate)}`;
}

/** @param durationMs of writing it; not known of those of an earlier visit */
export function checkpointText(
  { step, sizeBytes }: Pick<CheckpointSummary, 'step' | 'sizeBytes'>,
  durationMs?: number,
): string {
  const duration = durationMs === undefined ? '' : ` in ${(durationMs / 1000).toFixed(1)} s`;
  return `Checkpoint saved at step ${step} (${formatBytes(sizeBytes)}${duration})`;
}

export function bestText({ epoch }: BestModel): string {
  return `Best model so far (after epoch ${epoch}). Its checkpoint is kept.`;
}

export interface StoredMeasurements {
  /** In their order. */
  readonly steps: readonly StepRecord[];
  readonly validations: readonly ValidationRecord[];
  readonly evaluations: readonly EvaluationSummary[];
  readonly checkpoints: readonly CheckpointSummary[];
}

/** What is stored of a run as lines of its log: at each step the step itself, then what came of it. */
export function storedEntries(stored: StoredMeasurements, epochSize: number): LogEntry[] {
  const note = (text: string): LogEntry => ({ text, kind: 'note' });
  return [
    ...stored.steps.map((record) => ({ at: record.step, entry: stepEntry(record, epochSize) })),
    ...stored.checkpoints.map((one) => ({ at: one.step, entry: note(checkpointText(one)) })),
    ...stored.validations.map((one) => ({ at: one.step, entry: note(validationText(one)) })),
    ...stored.evaluations.map((one) => ({ at: one.step, entry: note(evaluationText(one)) })),
  ]
    .sort((a, b) => a.at - b.at)
    .map(({ entry }) => entry);
}
