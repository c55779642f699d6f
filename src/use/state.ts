/** The states of the Use step. */
import { UseState } from './use.svelte.ts';
import { InspectState } from './inspect/inspect.svelte.ts';
import { guard, library } from '../session/state.ts';
import { train } from '../train/state.ts';

export const use = new UseState(library, guard);
export const inspect = new InspectState(train.dataset, use.model, guard);
