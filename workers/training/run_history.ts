/** What is known of a run's course, from wherever it is kept. */
import type {
  EvaluationSummary,
  PrelogitsHistogram,
  RunRecord,
  StepRecord,
  ValidationRecord,
} from '../protocol/train/runs.ts';

export interface RunHistory {
  readonly run: RunRecord;
  /** Each in the order of its steps. */
  readonly steps: readonly StepRecord[];
  readonly validations: readonly ValidationRecord[];
  readonly evaluations: readonly EvaluationSummary[];
  readonly prelogits: readonly PrelogitsHistogram[];
}
