/** Folders of photos → folders of aligned faces, as the original's align_dataset_mtcnn. */
import { transfer } from 'comlink';
import { BusyClock } from '../../common/busy_clock.ts';
import type { ImageFile } from '../../files/classes.ts';
import type { WritableDirectory } from '../../protocol/data/directories.ts';
import { FolderUnavailableError, StorageFullError } from '../../protocol/data/file_errors.ts';
import { fileStats } from '../../files/file_stats.ts';
import { ZipNotWrittenError } from '../../formats/zip_directory.ts';
import { boxOfCut, chooseFace, faceCut, type CropBox } from '../../detector/align.ts';
import { FaceDetector } from '../../detector/detector.ts';
import type {
  AlignEvent,
  AlignFailure,
  AlignFailureReason,
  AlignOptions,
  AlignRequest,
  AlignSummary,
} from '../../protocol/align/align.ts';
import type { PhotoRecord, RecordedOutput } from '../../protocol/align/align_record.ts';
import { hashKey, permutation } from '../../common/random.ts';
import { readAlignFolders } from './align_folders.ts';
import { replaceLines } from './bounding_boxes.ts';
import { facePath, type PlannedPhoto } from './align_plan.ts';
import { AlignmentNotes } from './alignment_notes.ts';
import { ExistingFaces } from './existing_faces.ts';
import { SharedWork, waitForOthers } from './shared_work.ts';
import { withChosenFace } from './chosen_face.ts';
import { detectPhotos, type PhotoDetection, type Retry } from './detect_photos.ts';
import { DuplicateFinder } from './duplicate_photos.ts';
import { Throttle, type JobControl } from '../../protocol/job_control.ts';
import { withOutput } from '../job_output.ts';
import { settingsOf, withRecord } from '../../files/photo_record.ts';
import type { OutputNames } from '../output_names.ts';
import { PermissionGate } from '../permission_gate.ts';
import { PhotoPool, type PooledPhoto } from '../photo_pool.ts';
import type { PhotoTimes } from '../../decode.worker.ts';

const PROGRESS_INTERVAL_MS = 250;
const THUMBNAIL_INTERVAL_MS = 120;
const NOTES_INTERVAL_MS = 5000;
const WRITING_IS_OVER = [StorageFullError, FolderUnavailableError, ZipNotWrittenError];
/** Photos that are claimed, listed and given back together, where several processes share the output. */
const SHARED_PHOTOS = 8;
const SHARED_NOTES_INTERVAL_MS = 1000;

/**
 * A permission that is withdrawn on the way pauses the job.
 * @throws NoImagesError, PermissionLostError (before the first photo), StorageFullError; what is written by then is
 * whole, but for a zip, of which nothing is left. ZipNotWrittenError
 */
export function align(
  request: AlignRequest,
  onEvent: (event: AlignEvent) => void,
  control: JobControl,
): Promise<AlignSummary> {
  return withOutput(request.output, (open) => alignInto(open, request, onEvent, control));
}

async function alignInto(
  openOutput: () => Promise<WritableDirectory>,
  request: AlignRequest,
  onEvent: (event: AlignEvent) => void,
  control: JobControl,
): Promise<AlignSummary> {
  // Its workers load while the folders are read.
  const pool = new PhotoPool();
  try {
    return await alignWith(pool, openOutput, request, onEvent, control);
  } finally {
    pool.dispose();
  }
}

async function alignWith(
  pool: PhotoPool,
  openOutput: () => Promise<WritableDirectory>,
  request: AlignRequest,
  onEvent: (event: AlignEvent) => void,
  control: JobControl,
): Promise<AlignSummary> {
  const startedAt = performance.now();
  const { output, skipped, images, names, setAside, existing, plan } = await readAlignFolders(
    request,
    openOutput,
    (totals) => onEvent({ kind: 'reading', ...totals }),
    control.signal,
  );
  const skippedExisting = plan.counts.unchanged + plan.counts.withoutRecord;
  const detector = await FaceDetector.create(request.backend);
  const { device } = detector;
  onEvent({
    kind: 'started',
    total: images.length,
    skipped: skippedExisting,
    device: device.backend === 'webgpu' ? device.adapter : 'WebAssembly',
  });
  const gate = new PermissionGate(
    control,
    (message) => onEvent({ kind: 'paused', message }),
    () => onEvent({ kind: 'resumed' }),
  );
  const retry: Retry = canBeAllowedAgain(request) ? gate.through : (work) => work();
  const work = new SharedWork(output);
  try {
    const listing = await claimedUnlisted(output, existing, work);
    const notes = new AlignmentNotes(output, listing.existing, work);
    const job = new AlignJob(
      detector,
      pool,
      output,
      names,
      notes,
      listing.existing,
      work,
      request,
      onEvent,
      retry,
    );
    try {
      notes.addUnlisted(listing.records);
      for (const face of existing.newElsewhere) notes.addMadeElsewhere(face);
      for (const same of plan.samePhotos) notes.addSamePhoto(same);
      if (plan.todo.length > 0) notes.begin(request.options);
      if (notes.canGrow) await retry(() => notes.flush());
      work.release(listing.records.map(claimOfRecord));
      await job.run(shuffledIf(request.options.random_order, plan.todo), control);
      await job.missDeletedFaces();
    } finally {
      // Also after an error: what is written is listed.
      await notes.flush().catch(() => undefined);
    }
    return summaryOf(job);
  } finally {
    detector.dispose();
    await work.end().catch(() => undefined);
  }

  function summaryOf(job: AlignJob): AlignSummary {
    return {
      totalImages: images.length,
      successfullyAligned: skippedExisting + job.alignedCount + job.elsewhere.aligned,
      elsewhere: job.elsewhere,
      skippedExisting,
      existing: plan.counts,
      renamed: names.renamed(images),
      skipped,
      failures: job.failures,
      duplicates: job.duplicatePhotos.duplicates,
      setAside,
      cancelled: control.cancelled,
      durationMs: performance.now() - startedAt,
      times: {
        ...job.photoTimes,
        networksMs: job.photoTimes.networksMs + detector.networksMs,
        writeMs: job.writing.busyMs,
      },
    };
  }
}

/** Nobody can be asked for the folders that the terminal serves. */
function canBeAllowedAgain({ input, output }: AlignRequest): boolean {
  const folders = output.kind === 'directory' ? [...input, output.directory] : input;
  return folders.every(({ kind }) => kind !== 'http');
}

/** What a photo's face is claimed by. */
function claimOfRecord({ outputs, settings }: PhotoRecord): string {
  const name = outputs[0]!.path.slice(0, -'.png'.length);
  return settings.detect_multiple_faces ? name.replace(/_\d+$/, '') : name;
}

/**
 * Faces that no list tells of, unless a process is at work that is about to list them. It may have done so since the
 * folder was read: it is read again.
 */
async function claimedUnlisted(
  output: WritableDirectory,
  existing: ExistingFaces,
  work: SharedWork,
): Promise<{ existing: ExistingFaces; records: PhotoRecord[] }> {
  const names = existing.unlisted.map(claimOfRecord);
  if (!work.isShared || names.length === 0) return { existing, records: existing.unlisted };
  const states = await work.claim(names);
  const granted = new Set(names.filter((_, index) => states[index] === 'granted'));
  const now = await ExistingFaces.read(output);
  const records = now.unlisted.filter((record) => granted.delete(claimOfRecord(record)));
  work.release([...granted]);
  return { existing: now, records };
}

function shuffledIf(shuffle: boolean, photos: readonly PlannedPhoto[]): readonly PlannedPhoto[] {
  if (!shuffle) return photos;
  const order = permutation(hashKey(Date.now() >>> 0), photos.length);
  return Array.from(order, (index) => photos[index]!);
}

interface FaceFile {
  readonly path: string;
  /** Index into the faces found. */
  readonly face: number;
  readonly box: CropBox;
  readonly content: Uint8Array<ArrayBuffer>;
}

/** A photo's faces, cut out and encoded, or why there are none. */
type Prepared =
  | {
      readonly kind: 'faces';
      readonly record: PhotoRecord;
      readonly files: readonly FaceFile[];
      readonly thumbnail: ImageBitmap | undefined;
    }
  | { readonly kind: 'failure'; readonly reason: AlignFailureReason; readonly message: string };

class AlignJob {
  readonly failures: AlignFailure[] = [];
  readonly duplicatePhotos = new DuplicateFinder();
  alignedCount = 0;
  photoTimes: PhotoTimes = { decodeMs: 0, resizeMs: 0, encodeMs: 0, networksMs: 0 };
  readonly writing = new BusyClock();
  readonly #detector: FaceDetector;
  readonly #pool: PhotoPool;
  readonly #output: WritableDirectory;
  readonly #names: OutputNames;
  readonly #notes: AlignmentNotes;
  readonly #existing: ExistingFaces;
  readonly #work: SharedWork;
  readonly #options: AlignOptions;
  readonly #isByHand: boolean;
  readonly #onEvent: (event: AlignEvent) => void;
  /** Around all reading and writing. */
  readonly #retry: Retry;
  readonly #progress = new Throttle(PROGRESS_INTERVAL_MS);
  readonly #thumbnails = new Throttle(THUMBNAIL_INTERVAL_MS);
  /** Photos of which something is there already. */
  readonly #planned = new Map<ImageFile, PlannedPhoto>();
  #total = 0;
  #startedAt = 0;
  /** Names of photos that are done, and not listed and given back yet. */
  #unlistedPhotos: string[] = [];
  readonly elsewhere = { aligned: 0, failed: 0 };
  /** By photo, where other processes may be at work in the folder. */
  readonly #made = new Map<ImageFile, readonly string[]>();
  /** In a run that replaces faces: what it has written is not removed as another photo's old face. */
  readonly #written = new Set<string>();

  constructor(
    detector: FaceDetector,
    pool: PhotoPool,
    output: WritableDirectory,
    names: OutputNames,
    notes: AlignmentNotes,
    existing: ExistingFaces,
    work: SharedWork,
    { options, isByHand = false }: AlignRequest,
    onEvent: (event: AlignEvent) => void,
    retry: Retry,
  ) {
    this.#retry = retry;
    this.#detector = detector;
    this.#pool = pool;
    this.#output = output;
    this.#names = names;
    this.#notes = notes;
    this.#existing = existing;
    this.#work = work;
    this.#isByHand = isByHand;
    this.#options = options;
    this.#onEvent = onEvent;
  }

  async run(planned: readonly PlannedPhoto[], control: JobControl): Promise<void> {
    this.#startedAt = performance.now();
    this.#total = planned.length;
    for (const photo of planned) if (photo.previous) this.#planned.set(photo.image, photo);
    let images = planned.map(({ image }) => image);
    try {
      // What other processes hold is looked at again when nothing is held here: nobody waits for one another.
      for (let isFirst = true; images.length > 0 && !control.cancelled; isFirst = false) {
        if (!isFirst) await waitForOthers();
        const held: ImageFile[] = [];
        await this.#alignClaimed(this.#work.isShared ? this.#claimed(images, held) : images, control);
        images = held;
      }
      this.photoTimes = await this.#pool.times();
    } catch (error) {
      // Cancelled while it waited for a permission.
      if (!(control.cancelled && error instanceof FolderUnavailableError)) throw error;
    }
  }

  /** Those of the photos that this process is to align. @param held gets those that others are at work on */
  async *#claimed(images: readonly ImageFile[], held: ImageFile[]): AsyncGenerator<ImageFile> {
    for (let from = 0; from < images.length; from += SHARED_PHOTOS) {
      const some = images.slice(from, from + SHARED_PHOTOS);
      const states = await this.#work.claim(some.map((image) => this.#names.stemOf(image)));
      held.push(...some.filter((_, index) => states[index] === 'held'));
      const failed = some.filter((_, index) => states[index] === 'failed');
      this.elsewhere.failed += failed.length;
      const granted = some.filter((_, index) => states[index] === 'granted');
      // Looked at again: another process may have aligned it since the folder was read.
      const faces = granted.map((image) => facePath(this.#names.stemOf(image), 0, this.#options));
      const stats = await fileStats(this.#output, faces);
      for (const [index, image] of granted.entries()) {
        const sizeBytes = stats[index]?.sizeBytes || undefined;
        if (sizeBytes === this.#existing.sizes.get(faces[index]!)) {
          yield image;
          continue;
        }
        this.elsewhere.aligned++;
        this.#work.release([this.#names.stemOf(image)]);
      }
      this.#tellProgress();
    }
  }

  async #alignClaimed(
    images: Iterable<ImageFile> | AsyncIterable<ImageFile>,
    control: JobControl,
  ): Promise<void> {
    const notesThrottle = new Throttle(this.#work.isShared ? SHARED_NOTES_INTERVAL_MS : NOTES_INTERVAL_MS);
    notesThrottle.ready();
    const photos = detectPhotos(
      this.#detector,
      this.#pool,
      images,
      this.#options,
      (found, photo) => this.#prepare(found, photo),
      this.#retry,
    );
    for await (const { file, outcome } of photos) {
      if (!(await control.proceed())) return;
      if (outcome.status === 'rejected') await this.#fail(file, 'unreadable', messageOf(outcome.reason));
      else if (outcome.value.kind === 'failure')
        await this.#fail(file, outcome.value.reason, outcome.value.message);
      else await this.#write(file, outcome.value);
      this.#tellProgress();
      // Others see what is listed and given back; elsewhere the list so far outlives a closed page.
      const isFull = this.#work.isShared && this.#unlistedPhotos.length >= SHARED_PHOTOS;
      if (this.#notes.canGrow && (isFull || notesThrottle.ready())) await this.#list();
    }
    if (this.#work.isShared) await this.#list();
  }

  /** Lists what is done, and gives it back. */
  async #list(): Promise<void> {
    await this.#retry(() => this.#notes.flush());
    this.#work.release(this.#unlistedPhotos);
    this.#unlistedPhotos = [];
    await this.#retry(() => this.#work.giveBack());
  }

  #tellProgress(): void {
    const done = this.alignedCount + this.failures.length + this.elsewhere.aligned + this.elsewhere.failed;
    const total = this.#total;
    if (!this.#progress.ready() && done !== total) return;
    const photosPerSecond = (1000 * done) / (performance.now() - this.#startedAt);
    const secondsLeft = (total - done) / photosPerSecond;
    this.#onEvent({ kind: 'progress', done, total, photosPerSecond, secondsLeft });
  }

  async #prepare(found: PhotoDetection, photo: PooledPhoto): Promise<Prepared> {
    const { image_size, detect_multiple_faces, minsize } = this.#options;
    const { file, stats, width, height, digest, detection } = found;
    this.duplicatePhotos.add(file.path, digest);
    const choice = this.#planned.get(file)?.choice;
    if (Math.min(width, height) < minsize)
      return {
        kind: 'failure',
        reason: 'too-small',
        message: `${file.path} has only ${width} × ${height} pixels; faces are looked for from ${minsize} pixels on.`,
      };
    const { faces, best } = choice
      ? withChosenFace(detection.faces, choice)
      : { faces: detection.faces, best: chooseFace(detection.faces, width, height) };
    if (faces.length === 0)
      return { kind: 'failure', reason: 'no-face', message: `No face was found in ${file.path}.` };
    const chosen = detect_multiple_faces ? faces.map((_, index) => index) : [best];
    const cuts = chosen.map((index) => faceCut(faces[index]!, this.#options, width, height));
    const boxes = cuts.map((cut) => boxOfCut(cut, image_size, width, height));
    const aligned = await photo.align(cuts, image_size, this.#thumbnails.ready());
    const stem = this.#names.stemOf(file);
    const files = aligned.files.flatMap((content, order): FaceFile[] =>
      content
        ? [{ path: facePath(stem, order, this.#options), face: chosen[order]!, box: boxes[order]!, content }]
        : [],
    );
    if (files.length === 0)
      return {
        kind: 'failure',
        reason: 'no-face',
        message: `The face found in ${file.path} is outside the photo.`,
      };
    const record = {
      photo: file.path,
      ...stats,
      sha256: digest,
      width,
      height,
      settings: settingsOf(this.#options),
      faces,
      outputs: files.map(({ path, face, box }) => ({ path, face, box, sizeBytes: 0 })),
      isByHand: this.#isByHand || choice !== undefined,
    };
    // Written last: where it is, all faces are, and how they were made is known.
    files[0] = { ...files[0]!, content: withRecord(files[0]!.content, record) };
    const outputs = files.map(({ path, face, box, content }): RecordedOutput => ({
      path,
      face,
      box,
      sizeBytes: content.length,
    }));
    return { kind: 'faces', record: { ...record, outputs }, files, thumbnail: aligned.thumbnail };
  }

  async #write(file: ImageFile, prepared: Prepared & { kind: 'faces' }): Promise<void> {
    const { record, files, thumbnail } = prepared;
    try {
      for (const { path, content } of files.toReversed())
        await this.writing.during(() => this.#retry(() => this.#output.write(path, content)));
    } catch (error) {
      // Nothing that follows could be written either: stop, with everything so far whole.
      if (WRITING_IS_OVER.some((kind) => error instanceof kind)) throw error;
      return this.#fail(file, 'not-written', messageOf(error));
    }
    if (this.#planned.size > 0) for (const { path } of files) this.#written.add(path);
    await this.#removePrevious(file);
    this.#notes.addPhoto(record, this.#failurePath(file));
    if (this.#work.isShared) {
      this.#unlistedPhotos.push(this.#names.stemOf(file));
      this.#made.set(
        file,
        files.map(({ path }) => path),
      );
    }
    this.alignedCount++;
    const event = {
      kind: 'aligned',
      path: file.path,
      outputPaths: files.map(({ path }) => path),
      width: record.width,
      height: record.height,
      faces: record.faces,
      chosen: files.map(({ face }) => face),
    } as const;
    if (thumbnail) this.#onEvent(transfer({ ...event, thumbnail }, [thumbnail]));
    else this.#onEvent(event);
  }

  /** A person's folder that is deleted in the middle of the run takes faces with it that were counted and listed. */
  async missDeletedFaces(): Promise<void> {
    const made = [...this.#made].flatMap(([file, paths]) => paths.map((path) => ({ file, path })));
    const stats = await fileStats(
      this.#output,
      made.map(({ path }) => path),
    );
    const deleted = made.filter((_, index) => stats[index] === undefined);
    if (deleted.length === 0) return;
    const paths = deleted.map(({ path }) => path);
    await this.#work.alone(() => replaceLines(this.#output, paths));
    for (const file of new Set(deleted.map((face) => face.file))) {
      this.alignedCount--;
      const message = `The face of ${file.path} was deleted meanwhile. Run the command again to make it.`;
      const failure = { path: file.path, reason: 'not-written', message } as const;
      this.failures.push(failure);
      this.#onEvent({ kind: 'failed', failure });
    }
  }

  #failurePath(file: ImageFile): string {
    return `${this.#names.stemOf(file)}.png`;
  }

  /** What is there of the photo, or of another one of its name, under names that the photo's faces no longer have. */
  async #removePrevious(file: ImageFile): Promise<string[]> {
    const previous = this.#planned.get(file)?.previous;
    if (!previous) return [];
    const removed = previous.outputs.map(({ path }) => path).filter((path) => !this.#written.has(path));
    for (const path of removed)
      await this.#retry(async () => {
        if (await this.#output.exists(path)) await this.#output.remove(path);
      });
    this.#notes.forget(removed);
    return removed;
  }

  async #fail(file: ImageFile, reason: AlignFailureReason, message: string): Promise<void> {
    const failure = { path: file.path, reason, message };
    this.failures.push(failure);
    if (this.#work.isShared) this.#work.fail(this.#names.stemOf(file));
    // A photo that cannot be read may be read again later: what is there of it is kept.
    const isWithoutFace = reason === 'no-face' || reason === 'too-small';
    if (isWithoutFace) this.#notes.addFailure(this.#failurePath(file), await this.#removePrevious(file));
    else if (!this.#planned.has(file)) this.#notes.addFailure(this.#failurePath(file));
    this.#onEvent({ kind: 'failed', failure });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
