/** The fifth step: what a model's embeddings are good for. */
import type { JobGuard } from '../session/job_guard.svelte.ts';
import type { Library } from '../session/library.svelte.ts';
import { CameraState } from './camera.svelte.ts';
import { CompareState } from './compare.svelte.ts';
import { IdentifyState } from './identify.svelte.ts';
import { UseJob } from './job.svelte.ts';
import { UsedModel } from './used_model.svelte.ts';
import { identifyWorker } from '../session/workers.ts';

export class UseState {
  readonly job: UseJob;
  readonly model: UsedModel;
  readonly compare: CompareState;
  readonly identify: IdentifyState;
  readonly camera: CameraState;

  constructor(library: Library, guard: JobGuard) {
    this.job = new UseJob(guard, () => this.#forgetAll());
    this.model = new UsedModel(library, this.job);
    this.compare = new CompareState(library, this.job, this.model);
    this.identify = new IdentifyState(library, this.job, this.model);
    this.camera = new CameraState(this.identify, this.job, this.model);
  }

  /** When the page is left: the camera goes off, and the model's memory is freed; found faces and people stay. */
  async leave(): Promise<void> {
    this.camera.stop();
    if (this.job.isBusy) return;
    await this.model.close();
    if (this.compare.faces.length + this.identify.people.length === 0) identifyWorker.release();
  }

  #forgetAll(): void {
    this.camera.stop();
    this.model.forget();
    this.compare.forgetAll();
    this.identify.forgetAll();
  }
}
