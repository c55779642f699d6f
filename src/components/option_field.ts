/** What every field gets that edits one option in a way of its own. */
import type { OptionSpec } from '../../workers/training/options.ts';
import type { OptionProblem } from '../../workers/training/validate_options.ts';
import type { TrainState } from '../state/train.svelte.ts';

export interface OptionFieldProps {
  readonly spec: OptionSpec;
  readonly train: TrainState;
  readonly problem?: OptionProblem | undefined;
  readonly isDisabled?: boolean;
}
