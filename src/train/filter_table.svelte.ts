/** The filter table of the chosen dataset, made from a model in this browser. */
import { proxy } from 'comlink';
import { JobControl } from '../../workers/protocol/job_control.ts';
import type { DirectoryReference } from '../../workers/protocol/data/dataset.ts';
import type { DistanceTable } from '../../workers/protocol/models/embed.ts';
import type { EvaluationProgress } from '../../workers/protocol/evaluate/evaluate.ts';
import { problemOf, type Problem } from '../ui/errors.ts';
import { requestAccess } from '../session/folders.ts';
import type { JobGuard } from '../session/job_guard.svelte.ts';
import { ModelChoice } from '../choose/model_choice.svelte.ts';
import { tableWorker, STOP_AT_ONCE_MS } from '../session/workers.ts';

const BATCH_SIZE = 32;

export class FilterTableMaker {
  readonly model = new ModelChoice();
  isBusy = $state(false);
  progress = $state.raw<EvaluationProgress | undefined>();
  problem = $state.raw<Problem | undefined>();
  /** The last table that was made. */
  table = $state.raw<DistanceTable | undefined>();
  readonly #guard: JobGuard;
  #control = new JobControl();

  constructor(guard: JobGuard) {
    this.#guard = guard;
  }

  /** @returns the table as a file; undefined when it was not made */
  async make(images: readonly DirectoryReference[]): Promise<File | undefined> {
    const { reference } = this.model;
    if (!reference || this.isBusy) return undefined;
    this.problem = undefined;
    this.table = undefined;
    this.progress = undefined;
    this.isBusy = true;
    const control = (this.#control = new JobControl());
    try {
      if (!(await requestAccess([...images, ...this.model.folders]))) return undefined;
      const onProgress = proxy((progress: EvaluationProgress) => {
        this.progress = progress;
      });
      const request = { model: reference, images, batch_size: BATCH_SIZE };
      const table = await this.#guard.during('filter table', false, () =>
        tableWorker.call((api) => api.makeDistanceTable(request, control, onProgress)),
      );
      this.table = table;
      return new File([table.text], 'distances.tsv', { type: 'text/tab-separated-values' });
    } catch (error) {
      // Cancelling ends the work with an error of its own.
      this.problem = control.cancelled ? undefined : problemOf(error);
      return undefined;
    } finally {
      this.isBusy = false;
      tableWorker.release();
    }
  }

  cancel(): void {
    this.#control.cancel();
    void tableWorker.endUnlessStopped(STOP_AT_ONCE_MS);
  }
}
