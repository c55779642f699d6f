/** The state of the Photos step. */
import { PhotosState } from './photos.svelte.ts';
import { guard, library, sets } from '../session/state.ts';

export const photos = new PhotosState(library, guard, sets);
