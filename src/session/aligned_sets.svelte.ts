/** The sets of pictures in the browser's own storage, and which of them the faces of some folders belong to. */
import { proxy } from 'comlink';
import { SvelteMap } from 'svelte/reactivity';
import { JobControl } from '../../workers/protocol/job_control.ts';
import type { AlignOptions, AlignOutput } from '../../workers/protocol/align/align.ts';
import type { DirectoryReference } from '../../workers/protocol/data/dataset.ts';
import type { SetForSource, StoredSet, StoredSetSize } from '../../workers/protocol/data/stored_sets.ts';
import { saveBlob, withMovedStream, zipToFile } from './downloads.ts';
import { problemOf, type Problem } from '../ui/errors.ts';
import { safeSetName } from '../../workers/protocol/escape_text.ts';
import { folderName, pickFolder } from './folders.ts';
import { isSameFolder } from '../../workers/protocol/data/folder_references.ts';
import type { JobGuard } from './job_guard.svelte.ts';
import { alignWorker, datasetWorker, libraryWorker } from './workers.ts';

/** A set has the name of the folder that is to be aligned, and it is not known to be of that folder. */
export interface SetQuestion {
  readonly sourceName: string;
  /** The newest first. */
  readonly sets: readonly StoredSet[];
  /** Of a new set. */
  readonly freePath: string;
}

export interface SetCopy {
  readonly path: string;
  readonly done: number;
  readonly total: number;
}

/** Where the faces go, and whether the set was made for them. */
export interface ChosenSet {
  readonly path: string;
  readonly isNew: boolean;
}

export function setReference({ path }: Pick<StoredSet, 'path'>): DirectoryReference {
  return { kind: 'private', path };
}

export class AlignedSets {
  /** The last used first. */
  all = $state.raw<readonly StoredSet[]>([]);
  /** By their paths, as far as they are known. */
  readonly sizes = new SvelteMap<string, StoredSetSize>();
  readonly aligned = $derived(this.all.filter(({ kind }) => kind === 'aligned'));
  question = $state.raw<SetQuestion | undefined>();
  copy = $state.raw<SetCopy | undefined>();
  problem = $state.raw<Problem | undefined>();
  readonly #guard: JobGuard;
  #answer: ((path: string | undefined) => void) | undefined;
  #control = new JobControl();
  #isMeasuring = false;
  /** Of folders that can be recognised only as long as the page is open. */
  readonly #ofThisVisit: { readonly folders: readonly DirectoryReference[]; readonly path: string }[] = [];

  constructor(guard: JobGuard) {
    this.#guard = guard;
  }

  async refresh(): Promise<void> {
    try {
      this.all = await libraryWorker.call((api) => api.listStoredSets());
    } catch (error) {
      this.problem = problemOf(error);
    }
  }

  /** Counts what is in the sets, one after the other. */
  async measure(): Promise<void> {
    if (this.#isMeasuring) return;
    this.#isMeasuring = true;
    const tried: string[] = [];
    for (;;) {
      const next = this.all.find(({ path }) => !this.sizes.has(path) && !tried.includes(path));
      if (!next) break;
      tried.push(next.path);
      try {
        this.sizes.set(next.path, await libraryWorker.call((api) => api.measureStoredSet(next.path)));
      } catch (error) {
        // It may have been deleted in another tab.
        console.warn(error);
      }
    }
    this.#isMeasuring = false;
  }

  /**
   * Where the faces of these folders go; asks where a set has their name and may be of others.
   * @returns undefined where the person does not want either
   */
  async choose(
    folders: readonly DirectoryReference[],
    options: AlignOptions,
    asks: boolean,
  ): Promise<ChosenSet | undefined> {
    const name = folders.map(folderName).join(' + ');
    const found = await libraryWorker.call(async (api): Promise<SetForSource> =>
      // Lists of files are recognised here, and take long to hand over.
      api.findSetFor({ folders: folders.map(withoutFiles), name, format: formatOf(options) }),
    );
    if (found.kind === 'own') return this.#take(found.path, folders, false);
    if (found.kind === 'free') return this.#take(found.path, folders, true);
    const known = await this.#knownAmong(found.sets, folders, options);
    if (known !== undefined) return this.#take(known, folders, false);
    if (!asks) return this.#take(found.freePath, folders, true);
    const { sets, freePath } = found;
    const answer = await this.#ask({ sourceName: name, sets, freePath });
    return answer === undefined ? undefined : this.#take(answer, folders, answer === freePath);
  }

  #ask(question: SetQuestion): Promise<string | undefined> {
    this.question = question;
    return new Promise((resolve) => (this.#answer = resolve));
  }

  /** @param path of the set to use; undefined for none */
  answer(path: string | undefined): void {
    this.question = undefined;
    this.#answer?.(path);
    this.#answer = undefined;
  }

  async #take(path: string, folders: readonly DirectoryReference[], isNew: boolean): Promise<ChosenSet> {
    this.#ofThisVisit.unshift({ folders, path });
    this.sizes.delete(path);
    await libraryWorker.call((api) =>
      api.rememberSource(path, folders.map(withoutFiles), folders.map(folderName)),
    );
    return { path, isNew };
  }

  /** The set of this visit, or the one whose photos are mostly those in the folders. */
  async #knownAmong(
    sets: readonly StoredSet[],
    folders: readonly DirectoryReference[],
    options: AlignOptions,
  ): Promise<string | undefined> {
    for (const { folders: before, path } of this.#ofThisVisit)
      if (sets.some((set) => set.path === path) && (await areSameFolders(before, folders))) return path;
    // Folders that can be recognised are others, or the set is of an earlier version: then a person knows.
    if (folders.every(({ kind }) => kind !== 'files')) return undefined;
    for (const set of sets) if (await this.#holdsPhotosOf(set, folders, options)) return set.path;
    return undefined;
  }

  async #holdsPhotosOf(
    set: StoredSet,
    folders: readonly DirectoryReference[],
    options: AlignOptions,
  ): Promise<boolean> {
    const output: AlignOutput = { kind: 'directory', directory: setReference(set) };
    const input = [...folders];
    const counts = await alignWorker.call((api) => api.plan({ input, output, options }, new JobControl()));
    const gone = counts.withoutPhoto.filter(({ photo }) => photo !== undefined).length;
    const same = counts.unchanged + counts.otherSettings;
    return same > counts.changedPhotos + gone + counts.withoutRecord;
  }

  /** After an alignment that made a set. */
  async discardIfEmpty(path: string): Promise<void> {
    await libraryWorker.call((api) => api.discardEmptySet(path));
    await this.refresh();
  }

  async delete({ path }: StoredSet): Promise<void> {
    this.problem = undefined;
    try {
      await libraryWorker.call((api) => api.deleteStoredSet(path));
      this.sizes.delete(path);
    } catch (error) {
      this.problem = problemOf(error);
    }
    await this.refresh();
  }

  /** Needs a click. */
  async saveAsZip(set: StoredSet): Promise<void> {
    await this.#save(set, async (write) => {
      const fileName = `${safeSetName(folderName(setReference(set)))}.zip`;
      const zip = await zipToFile(fileName);
      try {
        await write(zip.output);
        const blob = await zip.finish();
        if (blob) saveBlob(blob, fileName);
      } catch (error) {
        await zip.abandon();
        throw error;
      }
    });
  }

  /** Writes a set's files into a folder of the person's, below the set's name; needs a click. */
  async saveToFolder(set: StoredSet): Promise<void> {
    await this.#save(set, async (write) => {
      const picked = await pickFolder('readwrite');
      if (picked.kind !== 'handle') return;
      const name = safeSetName(folderName(setReference(set)));
      const handle = await picked.handle.getDirectoryHandle(name, { create: true });
      await write({ kind: 'directory', directory: { kind: 'handle', handle } });
    });
  }

  stopCopying(): void {
    this.#control.cancel();
  }

  async #save(
    set: StoredSet,
    work: (write: (output: AlignOutput) => Promise<void>) => Promise<void>,
  ): Promise<void> {
    if (this.copy) return;
    this.problem = undefined;
    const control = (this.#control = new JobControl());
    const onProgress = proxy((done: number, total: number) => {
      this.copy = { path: set.path, done, total };
    });
    const write = async (output: AlignOutput): Promise<void> => {
      this.copy = { path: set.path, done: 0, total: 0 };
      const request = withMovedStream({ from: setReference(set), output });
      await this.#guard.during('copy', false, () =>
        datasetWorker.call((api) => api.copy(request, control, onProgress)).then(() => undefined),
      );
    };
    try {
      await work(write);
    } catch (error) {
      this.problem = problemOf(error);
    } finally {
      this.copy = undefined;
    }
  }
}

function formatOf({ image_size, margin, detect_multiple_faces }: AlignOptions) {
  return { image_size, margin, detect_multiple_faces };
}

function withoutFiles(folder: DirectoryReference): DirectoryReference {
  return folder.kind === 'files' ? { kind: 'files', name: folder.name, files: [] } : folder;
}

async function areSameFolders(
  a: readonly DirectoryReference[],
  b: readonly DirectoryReference[],
): Promise<boolean> {
  if (a.length !== b.length) return false;
  const same = await Promise.all(a.map((folder, index) => isSameFolder(folder, b[index]!)));
  return same.every(Boolean);
}
