/** A model from elsewhere: first what of it maps, then, when the person wants it, into this browser's storage. */
import { JobControl } from '../../workers/protocol/job_control.ts';
import type { DirectoryReference } from '../../workers/protocol/data/dataset.ts';
import type { ImageStandardization } from '../../workers/protocol/models/standardization.ts';
import type {
  ForeignModelReference,
  ImportReport,
  StoredModel,
} from '../../workers/protocol/models/models.ts';
import { problemOf, type Problem } from '../ui/errors.ts';
import { requestAccess } from '../session/folders.ts';
import type { JobGuard } from '../session/job_guard.svelte.ts';
import type { Library } from '../session/library.svelte.ts';
import { fileReference } from '../choose/model_choice.svelte.ts';
import { importWorker, STOP_AT_ONCE_MS, STOP_SOON_MS } from '../session/workers.ts';

export type ModelImportStatus = 'idle' | 'reading' | 'read' | 'importing' | 'imported';

export class ModelImport {
  status = $state<ModelImportStatus>('idle');
  report = $state.raw<ImportReport | undefined>();
  imported = $state.raw<StoredModel | undefined>();
  problem = $state.raw<Problem | undefined>();
  isStopping = $state(false);
  readonly isBusy = $derived(this.status === 'reading' || this.status === 'importing');
  /** Nothing that the network needs is missing or of another shape. */
  readonly isComplete = $derived(
    this.report !== undefined && this.report.missing.length === 0 && this.report.wrongShapes.length === 0,
  );
  /** In place of what the file says; needed where it says nothing. */
  standardization = $state<ImageStandardization | undefined>();
  readonly canBeImported = $derived(
    this.isComplete && (this.standardization ?? this.report?.standardization) !== undefined,
  );
  #control = new JobControl();
  #reference: ForeignModelReference | undefined;
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

  async #read(reference: ForeignModelReference | undefined): Promise<void> {
    if (this.isBusy || !reference) return;
    this.#reference = reference;
    this.report = undefined;
    this.imported = undefined;
    this.standardization = undefined;
    await this.#attempt('reading', async (control) => {
      this.report = await importWorker.call((api) => api.inspectModel(reference, control));
      this.status = 'read';
    });
  }

  async store(): Promise<void> {
    const reference = this.#reference;
    if (this.isBusy || !reference || !this.canBeImported) return;
    const { standardization } = this;
    await this.#attempt('importing', async (control) => {
      this.imported = await this.#guard.during('import', false, () =>
        importWorker.call((api) => api.importModel({ ...reference, standardization }, control)),
      );
      this.status = 'imported';
      await this.#library.refresh();
    });
  }

  /** Nothing of the model is kept. */
  stop(): void {
    if (!this.isBusy || this.isStopping) return;
    this.isStopping = true;
    this.#control.cancel();
    // A file that is half written is finished first, and removed then.
    void importWorker.endUnlessStopped(this.status === 'reading' ? STOP_AT_ONCE_MS : STOP_SOON_MS);
  }

  close(): void {
    this.status = 'idle';
    this.report = undefined;
    this.imported = undefined;
    this.problem = undefined;
    this.#reference = undefined;
  }

  async #attempt(
    status: 'reading' | 'importing',
    work: (control: JobControl) => Promise<void>,
  ): Promise<void> {
    const before = this.status;
    const control = (this.#control = new JobControl());
    this.status = status;
    this.problem = undefined;
    try {
      await work(control);
    } catch (error) {
      this.problem = this.isStopping ? undefined : problemOf(error);
      this.status = status === 'importing' ? before : 'idle';
    } finally {
      this.isStopping = false;
      importWorker.release();
    }
  }
}
