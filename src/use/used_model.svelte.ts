/** The model whose embeddings are compared: a run, a file or a folder, opened in the worker when it is needed. */
import type { OpenedModel } from '../../workers/protocol/use/identify.ts';
import { requestAccess } from '../session/folders.ts';
import type { Library } from '../session/library.svelte.ts';
import { ModelChoice, STARTER_NAME } from '../choose/model_choice.svelte.ts';
import { identifyWorker } from '../session/workers.ts';
import type { UseJob } from './job.svelte.ts';

export class ModelNotChosenError extends Error {
  override name = 'ModelNotChosenError';
  constructor() {
    super('Choose a model first.');
  }
}

export class FolderNotAllowedError extends Error {
  override name = 'FolderNotAllowedError';
  constructor() {
    super('This page may not read the folder. Try again, and allow access when the browser asks.');
  }
}

export class UsedModel {
  readonly choice = new ModelChoice();
  opened = $state.raw<OpenedModel | undefined>();
  /** Of the opened model. */
  openedKey = $state('');
  readonly #library: Library;
  readonly #job: UseJob;

  constructor(library: Library, job: UseJob) {
    this.#library = library;
    this.#job = job;
  }

  /** Empty: none is chosen. */
  get key(): string {
    const key = this.#modelKey;
    const { standardization } = this.choice;
    return key && !this.choice.isStandardizationKnown && standardization ? `${key} ${standardization}` : key;
  }

  get #modelKey(): string {
    const { kind, runId, weights, storedId, files, file, folder, folderName } = this.choice;
    switch (kind) {
      case 'none':
        return '';
      case 'starter':
        return kind;
      case 'run': {
        const run = this.#library.runs.find(({ id }) => id === runId);
        // A run that went on is another model.
        return run ? ['run', runId, run.step, ...weights.titles].join(' ') : '';
      }
      case 'stored':
        return storedId ? `stored ${storedId}` : '';
      case 'file': {
        const chosen = files.length > 1 ? files : file ? [file] : [];
        return chosen.map(({ name, size, lastModified }) => `file ${name} ${size} ${lastModified}`).join(' ');
      }
      case 'folder':
        return folder ? `folder ${folderName}` : '';
    }
  }

  get name(): string {
    const { kind, runId, storedId, file, folderName } = this.choice;
    switch (kind) {
      case 'none':
        return '';
      case 'starter':
        return STARTER_NAME;
      case 'run':
        return runId;
      case 'stored':
        return this.#library.models.find(({ id }) => id === storedId)?.name ?? '';
      case 'file':
        return file?.name ?? '';
      case 'folder':
        return folderName;
    }
  }

  /**
   * Within a job; must follow a click where a folder's permission has to be asked for.
   * @throws ModelNotChosenError, FolderNotAllowedError, and what loading throws
   */
  async open(): Promise<OpenedModel> {
    const { key } = this;
    const model = this.choice.reference;
    if (!key || !model) throw new ModelNotChosenError();
    if (!(await requestAccess(this.choice.folders))) throw new FolderNotAllowedError();
    this.#job.begin('Loading the model');
    this.opened = await identifyWorker.call((api) => api.openModel({ model, key }, this.#job.control));
    this.openedKey = key;
    return this.opened;
  }

  /** Frees its memory. */
  async close(): Promise<void> {
    if (!this.opened) return;
    this.forget();
    await identifyWorker.call((api) => api.closeModel());
  }

  /** It is open no more. */
  forget(): void {
    this.opened = undefined;
    this.openedKey = '';
  }
}
