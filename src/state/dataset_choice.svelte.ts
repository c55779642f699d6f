/** Some folders that are read as one dataset: their union, counted as soon as they are chosen. */
import { proxy } from 'comlink';
import type { DatasetSummary, DirectoryReference, RememberedFolder } from '../../workers/protocol.ts';
import { problemOf, type Problem } from './errors.ts';
import { folderName, requestAccess } from './folders.ts';
import type { Library } from './library.svelte.ts';
import { datasetWorker } from './workers.ts';

export class DatasetChoice {
  readonly role: RememberedFolder['role'];
  folders = $state.raw<readonly DirectoryReference[]>([]);
  summary = $state.raw<DatasetSummary | undefined>();
  problem = $state.raw<Problem | undefined>();
  isScanning = $state(false);
  filesSeen = $state(0);
  readonly name = $derived(this.folders.map(folderName).join(' + '));
  readonly #library: Library;
  #scanNumber = 0;

  constructor(role: RememberedFolder['role'], library: Library) {
    this.role = role;
    this.#library = library;
  }

  /** Adds folders to the union. */
  add(references: readonly DirectoryReference[]): Promise<void> {
    return this.choose([...this.folders, ...references]);
  }

  remove(index: number): Promise<void> {
    return this.choose(this.folders.filter((_, at) => at !== index));
  }

  /** Makes these the folders; resolves when they are counted, or the problem is known. */
  async choose(references: readonly DirectoryReference[]): Promise<void> {
    this.folders = references;
    this.summary = undefined;
    this.problem = undefined;
    this.filesSeen = 0;
    const scanNumber = ++this.#scanNumber;
    if (references.length === 0) {
      this.isScanning = false;
      return;
    }
    this.isScanning = true;
    const isCurrent = (): boolean => this.#scanNumber === scanNumber;
    try {
      const onProgress = proxy((fileCount: number) => {
        if (isCurrent()) this.filesSeen = fileCount;
      });
      const summary = await datasetWorker.call((api) => api.scan([...references], onProgress));
      if (!isCurrent()) return;
      this.summary = summary;
      for (const reference of references) await this.#library.remember(reference, this.role);
    } catch (error) {
      if (isCurrent()) this.problem = problemOf(error);
    } finally {
      if (isCurrent()) this.isScanning = false;
    }
  }

  /** Reads the folders again, after asking for their permission where it is gone; needs a click. */
  async allowAgain(): Promise<void> {
    if (await requestAccess(this.folders)) await this.choose(this.folders);
  }

  /** Uses a remembered folder; needs a click where its permission has to be asked for. */
  async addRemembered(folder: RememberedFolder): Promise<void> {
    try {
      if (await requestAccess([folder.reference])) await this.add([folder.reference]);
    } catch (error) {
      this.problem = problemOf(error);
    }
  }
}
