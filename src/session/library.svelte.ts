/** What is stored in this browser: runs, remembered folders, and the room they take. */
import type { DirectoryReference } from '../../workers/protocol/data/dataset.ts';
import type { EvaluationOverview, SavedEvaluation } from '../../workers/protocol/evaluate/evaluate.ts';
import type { KeptGallery } from '../../workers/protocol/use/identify.ts';
import type { RememberedFolder } from '../../workers/protocol/models/library.ts';
import type { StoredModel } from '../../workers/protocol/models/models.ts';
import type { RunRecord } from '../../workers/protocol/train/runs.ts';
import type { ImageStandardization } from '../../workers/protocol/models/standardization.ts';
import { problemOf, type Problem } from '../ui/errors.ts';
import { deleteEverythingStored } from './stored_data.ts';
import { libraryWorker } from './workers.ts';

const WATCH_INTERVAL_MS = 2000;

export class Library {
  runs = $state.raw<readonly RunRecord[]>([]);
  /** Models that were brought in, the newest first. */
  models = $state.raw<readonly StoredModel[]>([]);
  /** The newest first. */
  evaluations = $state.raw<readonly EvaluationOverview[]>([]);
  folders = $state.raw<readonly RememberedFolder[]>([]);
  /** People kept to be recognised, the newest first. */
  galleries = $state.raw<readonly KeptGallery[]>([]);
  storage = $state.raw<{ usedBytes: number; quotaBytes: number } | undefined>();
  problem = $state.raw<Problem | undefined>();
  isLoaded = $state(false);
  /** Runs that have a model. */
  readonly trainedRuns = $derived(this.runs.filter(({ step }) => step > 0));
  /** Runs whose worker is gone: the page was closed or reloaded, or the browser crashed. */
  readonly interrupted = $derived(this.runs.filter(({ status }) => status === 'interrupted'));

  /**
   * Reads all, and goes on looking while a run lives in another tab, or still seems to: right after a reload, the
   * page's own former worker may not have let go of its run yet.
   * @param isOwn whether a run is this page's
   */
  async watch(isOwn: (runId: string) => boolean): Promise<void> {
    await this.refresh();
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, WATCH_INTERVAL_MS));
      const isLive = ({ id, status }: RunRecord): boolean =>
        (status === 'running' || status === 'paused') && !isOwn(id);
      if (this.runs.some(isLive)) await this.refresh();
    }
  }

  async refresh(): Promise<void> {
    try {
      [this.runs, this.models, this.evaluations, this.folders, this.galleries, this.storage] =
        await Promise.all([
          libraryWorker.call((api) => api.listRuns()),
          libraryWorker.call((api) => api.listModels()),
          libraryWorker.call((api) => api.listEvaluations()),
          libraryWorker.call((api) => api.listFolders()),
          libraryWorker.call((api) => api.listGalleries()),
          libraryWorker.call((api) => api.estimate()),
        ]);
      this.problem = undefined;
    } catch (error) {
      this.problem = problemOf(error);
    } finally {
      this.isLoaded = true;
    }
  }

  foldersFor(...roles: RememberedFolder['role'][]): RememberedFolder[] {
    return this.folders.filter(({ role }) => roles.includes(role));
  }

  async remember(reference: DirectoryReference, role: RememberedFolder['role']): Promise<void> {
    try {
      await libraryWorker.call((api) => api.rememberFolder(reference, role));
      this.folders = await libraryWorker.call((api) => api.listFolders());
    } catch (error) {
      // Not being able to remember a folder takes nothing from its use now.
      console.warn(error);
    }
  }

  async forget(folder: RememberedFolder): Promise<void> {
    await this.#change(() => libraryWorker.call((api) => api.forgetFolder(folder.id)));
  }

  /** @throws RunMissingError */
  async setNotes(runId: string, notes: string): Promise<void> {
    await libraryWorker.call((api) => api.setNotes(runId, notes));
    this.runs = this.runs.map((run) => (run.id === runId ? { ...run, notes } : run));
  }

  async deleteRun(runId: string): Promise<void> {
    await this.#change(() => libraryWorker.call((api) => api.deleteRun(runId)));
  }

  async deleteModel(id: string): Promise<void> {
    await this.#change(() => libraryWorker.call((api) => api.deleteModel(id)));
  }

  /** How a stored model's images are standardised, as the person says. */
  async setStandardization(id: string, value: ImageStandardization): Promise<void> {
    await this.#change(async () => {
      await libraryWorker.call((api) => api.setStandardization(id, value));
    });
  }

  evaluationsOf(modelId: string): EvaluationOverview[] {
    return this.evaluations.filter((evaluation) => evaluation.modelId === modelId);
  }

  /** Without it being kept, the result can still be looked at. */
  async keepEvaluation(evaluation: SavedEvaluation): Promise<void> {
    await this.#change(() => libraryWorker.call((api) => api.saveEvaluation(evaluation)));
  }

  async deleteEvaluation(id: string): Promise<void> {
    await this.#change(() => libraryWorker.call((api) => api.deleteEvaluation(id)));
  }

  async refreshGalleries(): Promise<void> {
    this.galleries = await libraryWorker.call((api) => api.listGalleries());
  }

  async deleteEverything(): Promise<void> {
    await this.#change(deleteEverythingStored);
  }

  async #change(work: () => Promise<void>): Promise<void> {
    let problem: Problem | undefined;
    try {
      await work();
    } catch (error) {
      problem = problemOf(error);
    }
    await this.refresh();
    if (problem) this.problem = problem;
  }
}
