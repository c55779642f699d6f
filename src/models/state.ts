/** The states of the Models step. */
import { ExportsState } from './exports.svelte.ts';
import { ModelImport } from './model_import.svelte.ts';
import { guard, library } from '../session/state.ts';

export const exports = new ExportsState(guard);
export const modelImport = new ModelImport(library, guard);
