/** The first step: folders of photos → aligned faces. */
import { proxy } from 'comlink';
import {
  DEFAULT_ALIGN_OPTIONS,
  type AlignEvent,
  type AlignFailure,
  type AlignOptions,
  type AlignOutput,
  type AlignSummary,
} from '../../workers/protocol/align.ts';
import type { DatasetSummary, DirectoryReference } from '../../workers/protocol/dataset.ts';
import { ALIGN_PRESETS, retryOptions, type AlignPreset, type Retry } from './align_settings.ts';
import { together } from './align_summaries.ts';
import { DatasetChoice } from './dataset_choice.svelte.ts';
import { saveBlob, withMovedStream, zipToFile, type ZipTarget } from './downloads.ts';
import { problemOf, type Problem } from './errors.ts';
import { features } from './features.ts';
import { folderName, pickFolder, requestAccess, safeName } from './folders.ts';
import type { JobGuard } from './job_guard.svelte.ts';
import type { Library } from './library.svelte.ts';
import { FolderPictures } from './folder_pictures.svelte.ts';
import { Detections, PhotosByName, type Detection } from './detections.ts';
import { alignWorker, datasetWorker } from './workers.ts';

export type OutputKind = 'private' | 'folder' | 'zip';
export type AlignStatus = 'idle' | 'starting' | 'running' | 'paused' | 'stopping' | 'done' | 'failed';

export interface FaceThumbnail {
  readonly path: string;
  readonly bitmap: ImageBitmap;
}

interface AlignProgress {
  readonly done: number;
  readonly total: number;
  readonly photosPerSecond: number;
  readonly secondsLeft: number;
}

export class PhotoMissingError extends Error {
  override name = 'PhotoMissingError';
  constructor(facePath: string) {
    super(`The photo of ${facePath} is not in the chosen folders. Choose the folder it came from.`);
  }
}

const THUMBNAILS_KEPT = 60;
const FLUSH_INTERVAL_MS = 150;
const THUMBNAIL_SIZE_PX = 112;

export class PhotosState {
  readonly input: DatasetChoice;
  options = $state<AlignOptions>({ ...DEFAULT_ALIGN_OPTIONS });
  outputKind = $state<OutputKind>(features.privateStorage ? 'private' : 'zip');
  outputFolder = $state.raw<DirectoryReference | undefined>();
  status = $state<AlignStatus>('idle');
  progress = $state.raw<AlignProgress | undefined>();
  /** Of the folders that are read before the first photo is aligned. */
  filesRead = $state(0);
  device = $state('');
  alignedCount = $state(0);
  skippedCount = $state(0);
  thumbnails = $state.raw<readonly FaceThumbnail[]>([]);
  failures = $state.raw<readonly AlignFailure[]>([]);
  summary = $state.raw<AlignSummary | undefined>();
  problem = $state.raw<Problem | undefined>();
  /** Where the aligned faces are, once there are some that can be read back. */
  aligned = $state.raw<DirectoryReference | undefined>();
  /** Drawing the sample faces: how many are done. */
  drawing = $state.raw<{ done: number; total: number } | undefined>();
  /** A first look at what was chosen. */
  preview = $state.raw<readonly FaceThumbnail[]>([]);

  /** Every aligned face that can be read back, by its path: while a run goes on, its own; then all in the folder. */
  facePaths = $state.raw<readonly string[]>([]);
  inputPictures = $state.raw<FolderPictures | undefined>();
  facePictures = $state.raw<FolderPictures | undefined>();
  /** What was found in the photos of this visit, by the path of the face that was written. */
  readonly #detections = new Detections();
  /** Counts the changes of what was found, which is not watched itself. */
  #detectionChanges = $state(0);
  /** Photos set aside by hand. */
  setAside = $state.raw<readonly string[]>([]);
  /** A decision about a photo is being written. */
  isDeciding = $state(false);
  #photosByName: PhotosByName | undefined;

  readonly isBusy = $derived(['starting', 'running', 'paused', 'stopping'].includes(this.status));
  readonly presetId = $derived(
    ALIGN_PRESETS.find(
      ({ image_size, margin }) => image_size === this.options.image_size && margin === this.options.margin,
    )?.id ?? 'custom',
  );
  readonly #library: Library;
  readonly #guard: JobGuard;
  /** What the worker reported since the page was last brought up to date. */
  #pending: AlignEvent[] = [];
  #flushTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(library: Library, guard: JobGuard) {
    this.#library = library;
    this.#guard = guard;
    this.input = new DatasetChoice('photos', library);
  }

  usePreset(preset: AlignPreset): void {
    this.options = { ...this.options, image_size: preset.image_size, margin: preset.margin };
  }

  /** Where the private file system keeps the faces of this input under these settings. */
  get privateOutputPath(): string {
    const { image_size, margin, detect_multiple_faces } = this.options;
    const settings = `${image_size}-${margin}${detect_multiple_faces ? '-all' : ''}`;
    return `aligned/${safeName(this.input.name)} aligned ${settings}`;
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
      const pictures = new FolderPictures(this.input.folders, THUMBNAIL_SIZE_PX);
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
   */
  start(): Promise<void> {
    return this.#run();
  }

  /** Tries photos that gave no face once more, with other options. */
  retry(paths: readonly string[], retry: Retry): Promise<void> {
    return this.#run({ paths, options: retryOptions($state.snapshot(this.options), retry) });
  }

  async #run(again?: { paths: readonly string[]; options: AlignOptions }): Promise<void> {
    if (this.isBusy || this.input.folders.length === 0) return;
    this.problem = undefined;
    let zip: ZipTarget | undefined;
    try {
      const target = await this.#openOutput();
      zip = target?.zip;
      if (target) await this.#guard.during('align', false, () => this.#align(target.output, zip, again));
    } catch (error) {
      await zip?.abandon();
      this.#fail(error);
    } finally {
      this.#flush();
      alignWorker.release();
      void this.#library.refresh();
    }
  }

  async #openOutput(): Promise<{ output: AlignOutput; zip?: ZipTarget } | undefined> {
    if (!(await requestAccess(this.input.folders))) return undefined;
    if (this.outputKind === 'zip') {
      const zip = await zipToFile(`${safeName(this.input.name)} aligned.zip`);
      return { output: zip.output, zip };
    }
    let directory: DirectoryReference = { kind: 'private', path: this.privateOutputPath };
    if (this.outputKind === 'folder') {
      if (!this.outputFolder) await this.chooseOutputFolder();
      if (!this.outputFolder || !(await requestAccess([this.outputFolder], 'readwrite'))) return undefined;
      directory = this.outputFolder;
    } else void navigator.storage.persist?.();
    return { output: { kind: 'directory', directory } };
  }

  async #align(
    output: AlignOutput,
    zip: ZipTarget | undefined,
    again: { paths: readonly string[]; options: AlignOptions } | undefined,
  ): Promise<void> {
    const before = again && this.summary;
    this.status = 'starting';
    this.filesRead = 0;
    this.progress = undefined;
    this.alignedCount = 0;
    this.skippedCount = 0;
    this.thumbnails = [];
    this.failures = [];
    this.summary = undefined;
    this.aligned = undefined;
    this.facePaths = [];
    this.setAside = [];
    if (!again) {
      this.#detections.clear();
      this.#photosByName = undefined;
      // The folders may be others than the last time.
      this.inputPictures?.close();
      this.inputPictures = new FolderPictures(this.input.folders, THUMBNAIL_SIZE_PX);
    }
    this.facePictures?.close();
    // Where a zip file is made by way of a folder, that folder is gone afterwards.
    const folder = output.kind === 'directory' && !zip ? output.directory : undefined;
    this.facePictures = folder && new FolderPictures([folder], THUMBNAIL_SIZE_PX);
    const request = withMovedStream({
      input: [...this.input.folders],
      output,
      options: again?.options ?? $state.snapshot(this.options),
      paths: again?.paths,
    });
    const onEvent = proxy((event: AlignEvent) => this.#receive(event));
    const ownSummary = await alignWorker.call((api) => api.align(request, onEvent));
    const summary = before ? together(before, ownSummary, again!.paths) : ownSummary;
    this.#flush();
    const blob = await zip?.finish();
    if (blob && blob.size > 0) saveBlob(blob, `${safeName(this.input.name)} aligned.zip`);
    this.summary = summary;
    this.failures = summary.failures;
    this.setAside = summary.setAside;
    this.alignedCount = summary.successfullyAligned - summary.skippedExisting;
    if (folder && summary.successfullyAligned > 0) {
      this.aligned = folder;
      await this.#library.remember(folder, 'aligned');
      await this.#listFaces();
    }
    this.status = 'done';
  }

  async #listFaces(): Promise<void> {
    this.facePaths = (await this.facePictures?.list()) ?? [];
  }

  detectionOf(facePath: string): Detection | undefined {
    void this.#detectionChanges;
    return this.#detections.of(facePath);
  }

  /** The faces whose photos show more faces than were taken. */
  readonly severalFacePaths = $derived.by(() => {
    void this.#detectionChanges;
    return this.#detections.ofSeveral(this.facePaths);
  });

  /** Whether faces can be exchanged and photos set aside: they are in a folder, and nothing is under way. */
  readonly canDecide = $derived(!this.isBusy && !this.isDeciding && this.aligned !== undefined);

  /** Writes another of the found faces in the place of the one that was taken. */
  async takeFace(facePath: string, face: number): Promise<void> {
    const detection = this.#detections.of(facePath);
    const output = this.aligned;
    if (!detection || !output) return;
    await this.#decide(async () => {
      const { image_size, margin } = this.options;
      const input = [...this.input.folders];
      const decision = { input, output, path: detection.path, outputPath: facePath };
      await alignWorker.call((api) =>
        api.takeFace({ ...decision, options: { image_size, margin } }, detection.faces[face]!),
      );
      this.#detections.choose(facePath, face);
      this.facePictures?.forget(facePath);
    });
  }

  /** Removes the photo's faces; it stays aside when its folder is aligned again. */
  async setAsidePhoto(facePath: string): Promise<void> {
    const output = this.aligned;
    if (!output) return;
    await this.#decide(async () => {
      const path = await this.#photoOf(facePath);
      const outputPaths = this.#detections.of(facePath)?.outputPaths ?? [facePath];
      await alignWorker.call((api) => api.setAside(output, path, outputPaths));
      this.#forgetFaces(outputPaths);
      this.setAside = [...this.setAside, path];
      this.#changeAlignedCount(-1);
    });
  }

  /** Aligns photos again that were set aside. */
  async takeBack(paths: readonly string[]): Promise<void> {
    const output = this.aligned;
    if (!output) return;
    await this.#decide(async () => {
      for (const path of paths) await alignWorker.call((api) => api.takeBack(output, path));
      if (this.summary)
        this.summary = {
          ...this.summary,
          setAside: this.summary.setAside.filter((path) => !paths.includes(path)),
        };
    });
    if (!this.problem) await this.#run({ paths, options: $state.snapshot(this.options) });
  }

  /** Aligns the photo of a face from an earlier visit again, so that it is known what is found in it. */
  async findAgain(facePath: string): Promise<void> {
    const path = await this.#photoOf(facePath);
    await this.setAsidePhoto(facePath);
    if (!this.problem) await this.takeBack([path]);
  }

  async #decide(work: () => Promise<void>): Promise<void> {
    if (!this.canDecide) return;
    this.problem = undefined;
    this.isDeciding = true;
    try {
      const folders = [...this.input.folders, this.aligned!];
      if (!(await requestAccess([this.aligned!], 'readwrite')) || !(await requestAccess(folders))) return;
      await work();
    } catch (error) {
      this.problem = problemOf(error);
    } finally {
      this.#detectionChanges++;
      this.isDeciding = false;
    }
  }

  #forgetFaces(facePaths: readonly string[]): void {
    for (const path of facePaths) {
      this.#detections.delete(path);
      this.facePictures?.forget(path);
    }
    this.facePaths = this.facePaths.filter((path) => !facePaths.includes(path));
  }

  #changeAlignedCount(by: number): void {
    if (!this.summary) return;
    const successfullyAligned = this.summary.successfullyAligned + by;
    this.summary = { ...this.summary, successfullyAligned, setAside: this.setAside };
  }

  /** Of a face from an earlier visit: the photo of its name. */
  async #photoOf(facePath: string): Promise<string> {
    const detection = this.#detections.of(facePath);
    if (detection) return detection.path;
    this.#photosByName ??= new PhotosByName((await this.inputPictures?.list()) ?? []);
    const path = this.#photosByName.of(facePath);
    if (path === undefined) throw new PhotoMissingError(facePath);
    return path;
  }

  #fail(error: unknown): void {
    this.problem = problemOf(error);
    if (this.isBusy) this.status = this.problem ? 'failed' : 'idle';
  }

  async pause(): Promise<void> {
    this.status = 'paused';
    await alignWorker.call((api) => api.pause());
  }

  async resume(): Promise<void> {
    this.status = 'running';
    await alignWorker.call((api) => api.resume());
  }

  async stop(): Promise<void> {
    this.status = 'stopping';
    await alignWorker.call((api) => api.cancel());
  }

  /** After a withdrawn permission: asks for it and goes on; needs a click. */
  async allowAgain(): Promise<void> {
    const written = this.outputKind === 'folder' && this.outputFolder ? [this.outputFolder] : [];
    if (!(await requestAccess(this.input.folders)) || !(await requestAccess(written, 'readwrite'))) return;
    if (this.status === 'paused') await this.resume();
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
    this.problem = undefined;
    this.progress = undefined;
    this.thumbnails = [];
    this.failures = [];
    this.setAside = [];
    this.preview = [];
    this.facePaths = [];
    this.#photosByName = undefined;
    this.#detections.clear();
    this.inputPictures?.close();
    this.facePictures?.close();
    this.inputPictures = undefined;
    this.facePictures = undefined;
    void this.input.choose([]);
  }

  get alignedName(): string {
    return this.aligned ? folderName(this.aligned) : '';
  }

  /** Events come by the hundred a second on a fast machine; the page follows a few times a second. */
  #receive(event: AlignEvent): void {
    this.#pending.push(event);
    this.#flushTimer ??= setTimeout(() => this.#flush(), FLUSH_INTERVAL_MS);
  }

  #flush(): void {
    clearTimeout(this.#flushTimer);
    this.#flushTimer = undefined;
    const events = this.#pending;
    this.#pending = [];
    const thumbnails: FaceThumbnail[] = [];
    const failures: AlignFailure[] = [];
    const facePaths: string[] = [];
    let aligned = 0;
    for (const event of events)
      switch (event.kind) {
        case 'reading':
          this.filesRead = event.fileCount;
          break;
        case 'started':
          this.device = event.device;
          this.skippedCount = event.skipped;
          if (this.status === 'starting') this.status = 'running';
          break;
        case 'aligned':
          aligned++;
          this.#detections.add(event);
          facePaths.push(...event.outputPaths);
          if (event.thumbnail)
            thumbnails.push({ path: event.outputPaths[0] ?? event.path, bitmap: event.thumbnail });
          break;
        case 'failed':
          failures.push(event.failure);
          break;
        case 'paused':
          this.status = 'paused';
          this.problem = { name: 'PermissionLostError', message: event.message };
          break;
        case 'resumed':
          this.status = 'running';
          this.problem = undefined;
          break;
        case 'progress':
          this.progress = event;
      }
    this.alignedCount += aligned;
    if (facePaths.length > 0 && this.facePictures) this.facePaths = [...this.facePaths, ...facePaths];
    if (thumbnails.length > 0) this.#showThumbnails(thumbnails);
    if (failures.length > 0) this.failures = [...this.failures, ...failures];
  }

  /** The newest first, and only so many. */
  #showThumbnails(added: readonly FaceThumbnail[]): void {
    const all = [...added.toReversed(), ...this.thumbnails];
    for (const { bitmap } of all.slice(THUMBNAILS_KEPT)) bitmap.close();
    this.thumbnails = all.slice(0, THUMBNAILS_KEPT);
  }
}
