/** The first step: folders of photos → aligned faces. */
import { proxy } from 'comlink';
import { JobControl } from '../../workers/protocol/job_control.ts';
import {
  DEFAULT_ALIGN_OPTIONS,
  type AlignEvent,
  type AlignFailure,
  type AlignOptions,
  type AlignOutput,
  type AlignSummary,
} from '../../workers/protocol/align/align.ts';
import type { DatasetSummary, DirectoryReference } from '../../workers/protocol/data/dataset.ts';
import { WorkerStoppedError } from '../../workers/rpc/worker_client.ts';
import {
  ALIGN_PRESETS,
  retryOptions,
  type AlignPreset,
  type Retry,
  settingsObstacle,
} from './align_settings.ts';
import { together } from './align_summaries.ts';
import { withoutPaths } from '../choose/class_counts.ts';
import type { AlignedSets } from '../session/aligned_sets.svelte.ts';
import { DatasetChoice } from '../choose/dataset_choice.svelte.ts';
import { saveBlob, withMovedStream, zipToFile, type ZipTarget } from '../session/downloads.ts';
import { problemOf, type Problem } from '../ui/errors.ts';
import { features } from '../session/features.ts';
import { safeSetName } from '../../workers/protocol/escape_text.ts';
import { folderName, pickFolder, requestAccess } from '../session/folders.ts';
import type { JobGuard } from '../session/job_guard.svelte.ts';
import type { Library } from '../session/library.svelte.ts';
import { FolderPictures } from '../choose/folder_pictures.svelte.ts';
import { AlignProgress, type AlignNews, type FaceThumbnail } from './align_progress.svelte.ts';
import { FaceDecisions, type DecidedAlignment } from './face_decisions.svelte.ts';
import { FoundFaces } from './found_faces.svelte.ts';
import { alignWorker, datasetWorker, STOP_SOON_MS } from '../session/workers.ts';

export type OutputKind = 'private' | 'folder' | 'zip';
export type AlignStatus = 'idle' | 'starting' | 'running' | 'paused' | 'stopping' | 'done' | 'failed';

/** What came of trying some photos once more. */
export interface RetryOutcome {
  readonly triedCount: number;
  readonly alignedCount: number;
}

interface OpenedOutput {
  readonly output: AlignOutput;
  readonly zip?: ZipTarget | undefined;
  /** The path of a set in the browser's own storage that is made now. */
  readonly newSet?: string | undefined;
}

interface AlignAgain {
  readonly paths: readonly string[];
  readonly options: AlignOptions;
  readonly isRetry: boolean;
}

const PREVIEW_SIZE_PX = 112;

export class PhotosState implements DecidedAlignment {
  readonly input: DatasetChoice;
  options = $state<AlignOptions>({ ...DEFAULT_ALIGN_OPTIONS });
  outputKind = $state<OutputKind>(features.privateStorage ? 'private' : 'zip');
  outputFolder = $state.raw<DirectoryReference | undefined>();
  status = $state<AlignStatus>('idle');
  readonly progress = new AlignProgress((news) => this.#takeNews(news));
  failures = $state.raw<readonly AlignFailure[]>([]);
  summary = $state.raw<AlignSummary | undefined>();
  retryOutcome = $state.raw<RetryOutcome | undefined>();
  problem = $state.raw<Problem | undefined>();
  /** Where the aligned faces are, once there are some that can be read back. */
  aligned = $state.raw<DirectoryReference | undefined>();
  /** Drawing the sample faces: how many are done. */
  drawing = $state.raw<{ done: number; total: number } | undefined>();
  /** A first look at what was chosen. */
  preview = $state.raw<readonly FaceThumbnail[]>([]);
  readonly faces = new FoundFaces();
  readonly decisions = new FaceDecisions(this, this.faces);
  /** Photos set aside by hand. */
  setAside = $state.raw<readonly string[]>([]);

  readonly isBusy = $derived(['starting', 'running', 'paused', 'stopping'].includes(this.status));
  /** All faces of the last alignment: those in its folder, or those that went into the zip file. */
  readonly faceCount = $derived(this.aligned ? this.faces.paths.length : this.progress.faceCount);
  readonly presetId = $derived(
    ALIGN_PRESETS.find(
      ({ image_size, margin }) => image_size === this.options.image_size && margin === this.options.margin,
    )?.id ?? 'custom',
  );
  readonly #library: Library;
  readonly #guard: JobGuard;
  readonly #sets: AlignedSets;
  #isTryingAgain = false;
  /** Of the alignment that runs; each alignment has its own. */
  #control = new JobControl();

  constructor(library: Library, guard: JobGuard, sets: AlignedSets) {
    this.#library = library;
    this.#sets = sets;
    this.#guard = guard;
    this.input = new DatasetChoice('photos', library);
  }

  get inputFolders(): readonly DirectoryReference[] {
    return this.input.folders;
  }

  /** Why the settings cannot be used, and what to enter; empty when they can. */
  readonly obstacle = $derived(settingsObstacle(this.options));

  usePreset(preset: AlignPreset): void {
    this.options = { ...this.options, image_size: preset.image_size, margin: preset.margin };
  }

  async chooseOutputFolder(): Promise<void> {
    try {
      this.outputFolder = await pickFolder('readwrite');
      this.outputKind = 'folder';
      await this.#library.remember(this.outputFolder, 'output');
    } catch (error) {
      this.problem = problemOf(error);
    }
  }

  /** Shows a few of the chosen photos. */
  async loadPreview({ examples }: DatasetSummary): Promise<void> {
    try {
      const pictures = new FolderPictures(this.input.folders, PREVIEW_SIZE_PX);
      const shown = await pictures.read(examples);
      // Others may have been chosen meanwhile.
      if (this.input.summary?.examples === examples) this.preview = shown;
    } catch (error) {
      console.warn(error);
      this.preview = [];
    }
  }

  /**
   * Aligns what is chosen; what is in the output already is skipped, so that this also goes on after a stop.
   * Must follow a click when the output is a zip file or needs a permission.
   * @param asksForSet where a set of another folder has the name; a new one is made otherwise
   */
  start({ asksForSet = true }: { asksForSet?: boolean } = {}): Promise<void> {
    return this.#run(undefined, asksForSet);
  }

  /** Tries photos that gave no face once more, with other options. */
  async retry(paths: readonly string[], retry: Retry): Promise<void> {
    this.retryOutcome = undefined;
    const before = this.summary?.successfullyAligned ?? 0;
    await this.#run({ paths, options: retryOptions($state.snapshot(this.options), retry), isRetry: true });
    if (this.status === 'done' && this.summary && !this.summary.cancelled)
      this.retryOutcome = {
        triedCount: paths.length,
        alignedCount: this.summary.successfullyAligned - before,
      };
  }

  alignAgain(paths: readonly string[]): Promise<void> {
    return this.#run({ paths, options: $state.snapshot(this.options), isRetry: false });
  }

  async #run(again?: AlignAgain, asksForSet = true): Promise<void> {
    if (this.isBusy || this.#sets.question || this.input.folders.length === 0 || this.obstacle !== '') return;
    this.problem = undefined;
    let zip: ZipTarget | undefined;
    let newSet: string | undefined;
    try {
      const target = await this.#openOutput(asksForSet);
      zip = target?.zip;
      newSet = target?.newSet;
      if (target) await this.#guard.during('align', false, () => this.#align(target.output, zip, again));
    } catch (error) {
      await zip?.abandon();
      this.#fail(error);
    } finally {
      this.progress.flush();
      alignWorker.release();
      if (newSet === undefined) void this.#sets.refresh();
      else void this.#sets.discardIfEmpty(newSet);
      void this.#library.refresh();
    }
  }

  async #openOutput(asksForSet: boolean): Promise<OpenedOutput | undefined> {
    if (!(await requestAccess(this.input.folders))) return undefined;
    if (this.outputKind === 'zip') {
      const zip = await zipToFile(`${safeSetName(this.input.name)} aligned.zip`);
      return { output: zip.output, zip };
    }
    if (this.outputKind === 'folder') {
      if (!this.outputFolder) await this.chooseOutputFolder();
      if (!this.outputFolder || !(await requestAccess([this.outputFolder], 'readwrite'))) return undefined;
      return { output: { kind: 'directory', directory: this.outputFolder } };
    }
    void navigator.storage.persist?.();
    const set = await this.#sets.choose(this.input.folders, $state.snapshot(this.options), asksForSet);
    if (!set) return undefined;
    const directory: DirectoryReference = { kind: 'private', path: set.path };
    return { output: { kind: 'directory', directory }, newSet: set.isNew ? set.path : undefined };
  }

  async #align(
    output: AlignOutput,
    zip: ZipTarget | undefined,
    again: AlignAgain | undefined,
  ): Promise<void> {
    const before = again && this.summary;
    this.status = 'starting';
    this.progress.begin();
    this.#isTryingAgain = before !== undefined;
    // Those that are tried again stay in sight, as they were chosen.
    this.failures = before?.failures ?? [];
    this.retryOutcome = undefined;
    this.summary = undefined;
    this.aligned = undefined;
    this.setAside = [];
    if (!again) this.faces.openInput(this.input.folders);
    // Where a zip file is made by way of a folder, that folder is gone afterwards.
    const folder = output.kind === 'directory' && !zip ? output.directory : undefined;
    this.faces.openOutput(folder);
    const request = withMovedStream({
      input: [...this.input.folders],
      output,
      options: again?.options ?? $state.snapshot(this.options),
      paths: again?.paths,
      isByHand: again?.isRetry,
    });
    const onEvent = proxy((event: AlignEvent) => this.progress.receive(event));
    const control = (this.#control = new JobControl());
    const ownSummary = await alignWorker.call((api) => api.align(request, control, onEvent));
    const summary = before ? together(before, ownSummary, again!.paths) : ownSummary;
    this.progress.flush();
    const blob = await zip?.finish();
    if (blob && blob.size > 0) saveBlob(blob, `${safeSetName(this.input.name)} aligned.zip`);
    this.summary = summary;
    this.failures = summary.failures;
    this.setAside = summary.setAside;
    if (folder && summary.successfullyAligned > 0) {
      this.aligned = folder;
      await this.#library.remember(folder, 'aligned');
      await this.faces.listAll();
    }
    this.status = 'done';
  }

  onSetAside(path: string): void {
    this.setAside = [...this.setAside, path];
    if (!this.summary) return;
    const successfullyAligned = this.summary.successfullyAligned - 1;
    this.summary = { ...this.summary, successfullyAligned, setAside: this.setAside };
  }

  onTakenBack(paths: readonly string[]): void {
    if (!this.summary) return;
    const setAside = this.summary.setAside.filter((path) => !paths.includes(path));
    this.summary = { ...this.summary, setAside };
  }

  onRemoved(outputPaths: readonly string[]): void {
    if (!this.summary) return;
    const withoutPhoto = this.summary.existing.withoutPhoto.filter(
      (faces) => withoutPaths(faces.outputPaths, outputPaths).length > 0,
    );
    this.summary = { ...this.summary, existing: { ...this.summary.existing, withoutPhoto } };
  }

  #fail(error: unknown): void {
    // Stopped in the middle of a photo; what was aligned before it is there.
    this.problem = error instanceof WorkerStoppedError ? undefined : problemOf(error);
    if (this.isBusy) this.status = this.problem ? 'failed' : 'idle';
  }

  pause(): void {
    this.status = 'paused';
    this.#control.pause();
  }

  resume(): void {
    this.status = 'running';
    this.#control.resume();
  }

  stop(): void {
    this.status = 'stopping';
    this.#control.cancel();
    void alignWorker.endUnlessStopped(STOP_SOON_MS);
  }

  /** After a withdrawn permission: asks for it and goes on; needs a click. */
  async allowAgain(): Promise<void> {
    const written = this.outputKind === 'folder' && this.outputFolder ? [this.outputFolder] : [];
    if (!(await requestAccess(this.input.folders)) || !(await requestAccess(written, 'readwrite'))) return;
    if (this.status === 'paused') this.resume();
    else await this.start();
  }

  /** Draws the sample faces into the private file system and makes them the input. */
  async useSampleFaces(options: { seed: number; people: number; photosPerPerson: number }): Promise<void> {
    this.problem = undefined;
    this.drawing = { done: 0, total: options.people * options.photosPerPerson };
    try {
      const onProgress = proxy((done: number, total: number) => {
        this.drawing = { done, total };
      });
      const folder = await datasetWorker.call(async (api): Promise<DirectoryReference> =>
        api.makeSampleFaces(options, onProgress),
      );
      await this.input.choose([folder]);
    } catch (error) {
      this.problem = problemOf(error);
    } finally {
      this.drawing = undefined;
    }
  }

  /** Back to choosing; nothing that was written is touched. */
  reset(): void {
    this.status = 'idle';
    this.summary = undefined;
    this.retryOutcome = undefined;
    this.problem = undefined;
    this.progress.begin();
    this.failures = [];
    this.setAside = [];
    this.preview = [];
    this.aligned = undefined;
    this.faces.close();
    void this.input.choose([]);
  }

  get alignedName(): string {
    return this.aligned ? folderName(this.aligned) : '';
  }

  #takeNews({ aligned, failures, turns }: AlignNews): void {
    for (const turn of turns)
      if (turn.kind === 'started') {
        if (this.status === 'starting') this.status = 'running';
      } else if (turn.kind === 'paused') {
        this.status = 'paused';
        this.problem = { name: 'PermissionLostError', message: turn.message };
      } else {
        this.status = 'running';
        this.problem = undefined;
      }
    this.faces.add(aligned);
    if (failures.length > 0 && !this.#isTryingAgain) this.failures = [...this.failures, ...failures];
  }
}
