/** The state of the Train step. */
import { TrainState } from './train.svelte.ts';
import { device, guard, library } from '../session/state.ts';

export const train = new TrainState(library, guard, device);
