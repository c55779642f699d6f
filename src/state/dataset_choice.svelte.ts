/**
 * Some folders that are read as one dataset: their union, counted as soon as they are chosen. Photos that were left out
 * do not belong to it; the folders are remembered together with them.
 */
import { proxy } from 'comlink';
import type { DatasetSummary, DirectoryReference, RememberedFolder } from '../../workers/protocol.ts';
import { problemOf, type Problem } from './errors.ts';
import { canBeRemembered, folderName, requestAccess } from './folders.ts';
import type { Library } from './library.svelte.ts';
import { countLeftOut, foldersOf, withLeftOut, type DatasetPhoto } from './left_out.ts';
import { datasetWorker, libraryWorker } from './workers.ts';

export class DatasetChoice {
  readonly role: RememberedFolder['role'];
  folders = $state.raw<readonly DirectoryReference[]>([]);
  summary = $state.raw<DatasetSummary | undefined>();
  problem = $state.raw<Problem | undefined>();
  isScanning = $state(false);
  filesSeen = $state(0);
  readonly name = $derived(this.folders.map(folderName).join(' + '));
  readonly leftOutCount = $derived(countLeftOut(this.folders));
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
      const recalled = await this.#recallLeftOut(references);
      if (!isCurrent()) return;
      this.folders = recalled;
      const summary = await datasetWorker.call((api) => api.scan(recalled, onProgress));
      if (!isCurrent()) return;
      this.summary = summary;
      for (const reference of recalled) await this.#remember(reference);
    } catch (error) {
      if (isCurrent()) this.problem = problemOf(error);
    } finally {
      if (isCurrent()) this.isScanning = false;
    }
  }

  /** Folders that cannot be remembered may hold a hundred thousand files, which take long to hand to a worker. */
  async #remember(reference: DirectoryReference): Promise<void> {
    if (canBeRemembered(reference)) await this.#library.remember(reference, this.role);
  }

  async #recallLeftOut(references: readonly DirectoryReference[]): Promise<DirectoryReference[]> {
    const asked = references.filter((reference) => !reference.leftOut && canBeRemembered(reference));
    if (asked.length === 0) return [...references];
    try {
      const recalled = await libraryWorker.call((api) => api.recallLeftOut(asked, this.role));
      return references.map((reference) => {
        const { leftOut } = recalled[asked.indexOf(reference)] ?? {};
        return leftOut ? { ...reference, leftOut } : reference;
      });
    } catch (error) {
      // Without storage nothing is remembered, and nothing was left out.
      console.warn(error);
      return [...references];
    }
  }

  /**
   * Leaves photos out of the dataset, or takes them back. They are not deleted.
   * @param photos of the folders, which need not be read again for it
   */
  async setLeftOut(photos: readonly DatasetPhoto[], isLeftOut: boolean): Promise<void> {
    const { folders, summary } = withLeftOut(this.folders, this.summary, photos, isLeftOut);
    // What is being counted now would not be right any more.
    if (this.isScanning) return this.choose(folders);
    this.folders = folders;
    this.summary = summary;
    for (const folder of foldersOf(photos)) await this.#remember(folders[folder]!);
  }

  async takeAllBack(): Promise<void> {
    await this.choose(this.folders.map((folder) => ({ ...folder, leftOut: [] })));
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
