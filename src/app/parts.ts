/** The states of the page's steps, for what speaks of all of them: the step navigation and the sample run. */
import { evaluate } from '../evaluate/state.ts';
import { exports } from '../models/state.ts';
import { photos } from '../photos/state.ts';
import { device, guard, library, navigation, sets } from '../session/state.ts';
import { train } from '../train/state.ts';
import { inspect, use } from '../use/state.ts';

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
  inspect,
};

export type Parts = typeof parts;
