/** What the page has once, whatever the step. */
import { Navigation } from './navigation.svelte.ts';
import { Library } from './library.svelte.ts';
import { JobGuard } from './job_guard.svelte.ts';
import { DeviceState } from './device.svelte.ts';
import { AlignedSets } from './aligned_sets.svelte.ts';

export const navigation = new Navigation();
export const library = new Library();
export const guard = new JobGuard();
export const device = new DeviceState();
export const sets = new AlignedSets(guard);
