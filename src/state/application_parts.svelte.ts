/** The states of the page's parts, tied to one another. */
import { AlignedSets } from './aligned_sets.svelte.ts';
import { BringIn } from './bring_in.svelte.ts';
import { DeviceState } from './device.svelte.ts';
import { EvaluateState } from './evaluate.svelte.ts';
import { ExportsState } from './exports.svelte.ts';
import { JobGuard } from './job_guard.svelte.ts';
import { Library } from './library.svelte.ts';
import { LookState } from './look/look.svelte.ts';
import { Navigation } from './navigation.svelte.ts';
import { PhotosState } from './photos.svelte.ts';
import { TrainState } from './train.svelte.ts';
import { UseState } from './use/use.svelte.ts';

export class ApplicationParts {
  readonly navigation = new Navigation();
  readonly library = new Library();
  readonly guard = new JobGuard();
  readonly device = new DeviceState();
  readonly sets = new AlignedSets(this.guard);
  readonly photos = new PhotosState(this.library, this.guard, this.sets);
  readonly train = new TrainState(this.library, this.guard, this.device);
  readonly evaluate = new EvaluateState(this.library, this.guard);
  readonly exports = new ExportsState(this.guard);
  readonly bringIn = new BringIn(this.library, this.guard);
  readonly use = new UseState(this.library, this.guard);
  readonly look = new LookState(this.train.dataset, this.use.model, this.guard);
}
