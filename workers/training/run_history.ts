/** All measurements of a run, wherever they are stored. */
import type {
  EvaluationSummary,
  PrelogitsHistogram,
  RunRecord,
  StepRecord,
  ValidationRecord,
} from '../protocol/train/runs.ts';

export interface RunHistory {
  readonly run: RunRecord;
  /** Each list is in the order of its steps. */
  readonly steps: readonly StepRecord[];
  readonly validations: readonly ValidationRecord[];
  readonly evaluations: readonly EvaluationSummary[];
  readonly prelogits: readonly PrelogitsHistogram[];
}
