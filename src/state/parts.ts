/** The states of the page's steps, for what speaks of all of them: the step navigation and the sample run. */
import { evaluate } from './evaluate_state.ts';
import { exports } from './models_state.ts';
import { photos } from './photos_state.ts';
import { device, guard, library, navigation, sets } from './session_state.ts';
import { train } from './train_state.ts';
import { look, use } from './use_state.ts';

export const parts = {
  navigation,
  library,
  guard,
  device,
  sets,
  photos,
  train,
  evaluate,
  exports,
  use,
  look,
};

export type Parts = typeof parts;
