/** The states of the Models step. */
import { ExportsState } from './exports.svelte.ts';
import { BringIn } from './bring_in.svelte.ts';
import { guard, library } from '../session/state.ts';

export const exports = new ExportsState(guard);
export const bringIn = new BringIn(library, guard);
