/** The state of the Evaluate step. */
import { EvaluateState } from './evaluate.svelte.ts';
import { guard, library } from '../session/state.ts';

export const evaluate = new EvaluateState(library, guard);
