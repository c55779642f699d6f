/**
 * Some folders that are read as one dataset: their union, counted as soon as they are chosen. Photos that were left out
 * do not belong to it; the folders are remembered together with them.
 */
import { proxy } from 'comlink';
import { JobControl } from '../../workers/protocol/job_control.ts';
import { DatasetCount } from '../../workers/protocol/data/dataset_count.ts';
import type {
  DatasetSummary,
  DirectoryReference,
  ScanProgress,
} from '../../workers/protocol/data/dataset.ts';
import type { RememberedFolder } from '../../workers/protocol/models/library.ts';
import { problemOf, type Problem } from '../ui/errors.ts';
import { FolderScan } from './folder_scan.svelte.ts';
import { folderName, requestAccess, type FoundFiles } from '../session/folders.ts';
import { canBeRemembered } from '../../workers/protocol/data/folder_references.ts';
import type { Library } from '../session/library.svelte.ts';
import { countLeftOut, foldersOf, withLeftOut, type DatasetPhoto } from './left_out.ts';
import { datasetWorker, libraryWorker } from '../session/workers.ts';

export class DatasetChoice {
  readonly role: RememberedFolder['role'];
  folders = $state.raw<readonly DirectoryReference[]>([]);
  summary = $state.raw<DatasetSummary | undefined>();
  problem = $state.raw<Problem | undefined>();
  /** The names of files that were dropped together with folders, and are not used. */
  passedOver = $state.raw<readonly string[]>([]);
  readonly #scan = new FolderScan();
  /** What there is to show, also while it is being counted. */
  readonly counted = $derived(this.#scan.found ?? this.summary);
  readonly name = $derived(this.folders.map(folderName).join(' + '));
  readonly leftOutCount = $derived(countLeftOut(this.folders));
  readonly #library: Library;
  /** What a cancelled scan goes back to: the last folders that were read to their end. */
  #settled: { folders: readonly DirectoryReference[]; summary: DatasetSummary | undefined } = {
    folders: [],
    summary: undefined,
  };

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

  get isScanning(): boolean {
    return this.#scan.isRunning;
  }

  /** While the folders are read. */
  get filesSeen(): number {
    return this.#scan.filesSeen;
  }

  /** Makes these the folders; resolves when they are counted, or the problem is known. */
  async choose(references: readonly DirectoryReference[]): Promise<void> {
    this.#settle();
    this.folders = references;
    this.summary = undefined;
    this.problem = undefined;
    this.passedOver = [];
    if (references.length === 0) return this.#scan.cancel();
    const signal = this.#scan.begin();
    try {
      const recalled = await this.#recallLeftOut(references);
      if (signal.aborted) return;
      this.folders = recalled;
      const summary = await this.#count(recalled, signal);
      if (signal.aborted) return;
      this.summary = summary;
      for (const reference of recalled) await this.#remember(reference);
    } catch (error) {
      if (!signal.aborted) this.problem = problemOf(error);
    } finally {
      this.#scan.end(signal);
    }
  }

  #count(references: DirectoryReference[], signal: AbortSignal): Promise<DatasetSummary> {
    const control = new JobControl();
    const onProgress = proxy((progress: ScanProgress) => this.#scan.proceed(signal, progress));
    signal.addEventListener('abort', () => control.cancel(), { once: true });
    return datasetWorker.call((api) => api.scan(references, control, onProgress));
  }

  /** Adds folders whose files the page itself may have to find first, as those that are dropped in some browsers. */
  async addFound(find: (found: FoundFiles) => Promise<DirectoryReference[]>): Promise<void> {
    this.#settle();
    this.problem = undefined;
    this.passedOver = [];
    const passedOver: string[] = [];
    const signal = this.#scan.begin();
    const count = new DatasetCount({
      onProgress: () => this.#scan.proceed(signal, count.takeProgress()),
    });
    try {
      const added = await find({
        signal,
        onFolder: (name) => count.addFolder(name),
        onFile: (path) => count.addFile(path),
        onPassedOver: (name) => passedOver.push(name),
      });
      if (signal.aborted) return;
      const adding = this.add(added);
      this.passedOver = passedOver;
      await adding;
    } catch (error) {
      if (!signal.aborted) this.problem = problemOf(error);
    } finally {
      this.#scan.end(signal);
    }
  }

  /** Ends the reading of folders: those that were read before it are the dataset again. */
  cancelScan(): void {
    if (!this.isScanning) return;
    this.#scan.cancel();
    this.folders = this.#settled.folders;
    this.summary = this.#settled.summary;
  }

  #settle(): void {
    if (!this.isScanning && (this.summary || this.folders.length === 0))
      this.#settled = { folders: this.folders, summary: this.summary };
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
