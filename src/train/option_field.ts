/** What every field gets that edits one option in a way of its own. */
import type { OptionSpec } from '../../workers/protocol/train/options.ts';
import type { OptionProblem } from '../../workers/protocol/train/validate_options.ts';
import type { TrainState } from './train.svelte.ts';

export interface OptionFieldProps {
  readonly spec: OptionSpec;
  readonly train: TrainState;
  readonly problem?: OptionProblem | undefined;
  readonly isDisabled?: boolean;
}
