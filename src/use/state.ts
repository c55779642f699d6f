/** The states of the Use step. */
import { UseState } from './use.svelte.ts';
import { LookState } from './inspect/look.svelte.ts';
import { guard, library } from '../session/state.ts';
import { train } from '../train/state.ts';

export const use = new UseState(library, guard);
export const look = new LookState(train.dataset, use.model, guard);
