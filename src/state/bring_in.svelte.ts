/** A model from elsewhere: first what of it maps, then, when the person wants it, into this browser's storage. */
import type { DirectoryReference } from '../../workers/protocol/dataset.ts';
import type { ImageStandardization } from '../../workers/protocol/standardization.ts';
import type { ImportReport, ModelReference, StoredModel } from '../../workers/protocol/models.ts';
import { problemOf, type Problem } from './errors.ts';
import { requestAccess } from './folders.ts';
import type { JobGuard } from './job_guard.svelte.ts';
import type { Library } from './library.svelte.ts';
import { fileReference } from './model_choice.svelte.ts';
import { modelWorker } from './workers.ts';

export type BringInStatus = 'idle' | 'reading' | 'read' | 'taking' | 'taken';

export class BringIn {
  status = $state<BringInStatus>('idle');
  report = $state.raw<ImportReport | undefined>();
  taken = $state.raw<StoredModel | undefined>();
  problem = $state.raw<Problem | undefined>();
  readonly isBusy = $derived(this.status === 'reading' || this.status === 'taking');
  /** Nothing that the network needs is missing or of another shape. */
  readonly isWhole = $derived(
    this.report !== undefined && this.report.missing.length === 0 && this.report.wrongShapes.length === 0,
  );
  /** In place of what the file says; needed where it says nothing. */
  standardization = $state<ImageStandardization | undefined>();
  readonly canBeTaken = $derived(
    this.isWhole && (this.standardization ?? this.report?.standardization) !== undefined,
  );
  #reference: Exclude<ModelReference, { kind: 'run' }> | undefined;
  readonly #library: Library;
  readonly #guard: JobGuard;

  constructor(library: Library, guard: JobGuard) {
    this.#library = library;
    this.#guard = guard;
  }

  readFiles(files: readonly File[]): Promise<void> {
    return this.#read(fileReference(files));
  }

  async readFolder(directory: DirectoryReference): Promise<void> {
    if (await requestAccess([directory])) await this.#read({ kind: 'directory', directory });
  }

  async #read(reference: Exclude<ModelReference, { kind: 'run' }> | undefined): Promise<void> {
    if (this.isBusy || !reference) return;
    this.#reference = reference;
    this.report = undefined;
    this.taken = undefined;
    this.standardization = undefined;
    await this.#attempt('reading', async () => {
      this.report = await modelWorker.call((api) => api.inspectModel(reference));
      this.status = 'read';
    });
  }

  async take(): Promise<void> {
    const reference = this.#reference;
    if (this.isBusy || !reference || !this.canBeTaken) return;
    const { standardization } = this;
    await this.#attempt('taking', async () => {
      this.taken = await this.#guard.during('import', false, () =>
        modelWorker.call((api) => api.importModel({ ...reference, standardization })),
      );
      this.status = 'taken';
      await this.#library.refresh();
    });
  }

  close(): void {
    this.status = 'idle';
    this.report = undefined;
    this.taken = undefined;
    this.problem = undefined;
    this.#reference = undefined;
  }

  async #attempt(status: 'reading' | 'taking', work: () => Promise<void>): Promise<void> {
    const before = this.status;
    this.status = status;
    this.problem = undefined;
    try {
      await work();
    } catch (error) {
      this.problem = problemOf(error);
      this.status = status === 'taking' ? before : 'idle';
    } finally {
      modelWorker.release();
    }
  }
}
