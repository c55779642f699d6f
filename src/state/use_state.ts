/** The states of the Use step. */
import { UseState } from './use/use.svelte.ts';
import { LookState } from './look/look.svelte.ts';
import { guard, library } from './session_state.ts';
import { train } from './train_state.ts';

export const use = new UseState(library, guard);
export const look = new LookState(train.dataset, use.model, guard);
