/** A model to use: the starter model, one of the runs, an imported one, files, or a folder. */
import type { DirectoryReference } from '../../workers/protocol/data/dataset.ts';
import type { ModelReference } from '../../workers/protocol/models/models.ts';
import type { ImageStandardization } from '../../workers/protocol/models/standardization.ts';
import { folderName } from '../session/folders.ts';
import { WeightsChoice } from './weights_choice.svelte.ts';

export type ModelKind = 'none' | 'starter' | 'run' | 'stored' | 'file' | 'folder';

/** The name of the model that comes with the program. */
export const STARTER_NAME = 'Starter model';

export class ModelChoice {
  kind = $state<ModelKind>('none');
  #runId = $state('');
  /** Of the run. */
  readonly weights = new WeightsChoice();
  /** Of a model that was brought in. */
  #storedId = $state('');
  #file = $state.raw<File | undefined>();
  /** Files that belong together, such as a checkpoint's, where a folder cannot be chosen. */
  files = $state.raw<readonly File[]>([]);
  #folder = $state.raw<DirectoryReference | undefined>();

  get storedId(): string {
    return this.#storedId;
  }

  /** What was said of one model is not said of another one. */
  set storedId(id: string) {
    if (id !== this.#storedId) this.standardization = undefined;
    this.#storedId = id;
  }

  get file(): File | undefined {
    return this.#file;
  }

  set file(file: File | undefined) {
    this.standardization = undefined;
    this.#file = file;
  }

  get folder(): DirectoryReference | undefined {
    return this.#folder;
  }

  set folder(folder: DirectoryReference | undefined) {
    this.standardization = undefined;
    this.#folder = folder;
  }

  get runId(): string {
    return this.#runId;
  }

  /** Another run has other checkpoints. */
  set runId(id: string) {
    if (id !== this.#runId) this.weights.reset();
    this.#runId = id;
  }

  /** The run and the starter model know how their images are standardised. */
  get isStandardizationKnown(): boolean {
    return this.kind === 'run' || this.kind === 'starter';
  }

  /** In place of what a file or a stored model says. */
  standardization = $state<ImageStandardization | undefined>();

  get reference(): ModelReference | undefined {
    const place = this.#place;
    return (
      place && { ...place, standardization: this.isStandardizationKnown ? undefined : this.standardization }
    );
  }

  get #place(): ModelReference | undefined {
    switch (this.kind) {
      case 'none':
        return undefined;
      case 'starter':
        return { kind: 'starter' };
      case 'run':
        return this.runId ? this.weights.reference(this.runId) : undefined;
      case 'stored':
        return this.storedId ? storedReference(this.storedId) : undefined;
      case 'file':
        return fileReference(this.files.length > 1 ? this.files : this.file ? [this.file] : []);
      case 'folder':
        return this.folder && { kind: 'directory', directory: this.folder };
    }
  }

  get isComplete(): boolean {
    return this.kind === 'none' || this.reference !== undefined;
  }

  /** One file, or several that belong together. */
  takeFiles(files: readonly File[]): void {
    this.files = files;
    this.file = files[0];
    this.kind = 'file';
  }

  get folders(): readonly DirectoryReference[] {
    return this.kind === 'folder' && this.folder ? [this.folder] : [];
  }

  get folderName(): string {
    return this.folder ? folderName(this.folder) : '';
  }

  /** The run or the stored model; none for what lies outside of this browser's storage. */
  get modelId(): string | undefined {
    const id = this.kind === 'run' ? this.runId : this.kind === 'stored' ? this.storedId : '';
    return id || undefined;
  }
}

/** Where a model that was brought in is kept. */
export function storedReference(id: string): ModelReference {
  return { kind: 'directory', directory: { kind: 'private', path: `models/${id}` } };
}

/** One file as it is; several as a folder of them. */
export function fileReference(
  files: readonly File[],
): Extract<ModelReference, { kind: 'file' | 'directory' }> | undefined {
  const [first] = files;
  if (!first) return undefined;
  if (files.length === 1) return { kind: 'file', file: first };
  const named = files.map((file) => ({ path: file.name, file }));
  return { kind: 'directory', directory: { kind: 'files', name: first.name, files: named } };
}
