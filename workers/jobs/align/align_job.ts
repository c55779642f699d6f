/** Folders of photos → folders of aligned faces, as the original's align_dataset_mtcnn. */
import { transfer } from 'comlink';
import { BusyClock } from '../../busy_clock.ts';
import type { ImageFile } from '../../dataset/classes.ts';
import type { WritableDirectory } from '../../dataset/directory.ts';
import { PermissionLostError, StorageFullError } from '../../dataset/errors.ts';
import { ZipNotWrittenError } from '../../formats/zip_directory.ts';
import { chooseFace, cropBox, type CropBox } from '../../mtcnn/align.ts';
import { FaceDetector } from '../../mtcnn/detector.ts';
import type {
  AlignEvent,
  AlignFailure,
  AlignFailureReason,
  AlignOptions,
  AlignRequest,
  AlignSummary,
} from '../../protocol/align.ts';
import type { PhotoRecord, RecordedOutput } from '../../protocol/align_record.ts';
import { hashKey, permutation } from '../../random.ts';
import { readAlignFolders } from './align_folders.ts';
import { facePath, type PlannedPhoto } from './align_plan.ts';
import { AlignmentNotes } from './alignment_notes.ts';
import { withChosenFace } from './chosen_face.ts';
import { detectPhotos, type PhotoDetection, type Retry } from './detect_photos.ts';
import { DuplicateFinder } from './duplicate_photos.ts';
import { Throttle, type JobControl } from '../job_control.ts';
import { withOutput } from '../job_output.ts';
import { settingsOf, withRecord } from './photo_record.ts';
import type { OutputNames } from '../output_names.ts';
import { PermissionGate } from '../permission_gate.ts';
import { PhotoPool, type PooledPhoto } from '../photo_pool.ts';
import type { PhotoTimes } from '../../decode.worker.ts';

const PROGRESS_INTERVAL_MS = 250;
const THUMBNAIL_INTERVAL_MS = 120;
const NOTES_INTERVAL_MS = 5000;
const WRITING_IS_OVER = [StorageFullError, PermissionLostError, ZipNotWrittenError];

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
  const { output, images, names, setAside, existing, plan } = await readAlignFolders(
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
  const notes = new AlignmentNotes(output, existing);
  const job = new AlignJob(detector, pool, output, names, notes, request, onEvent, retry);
  try {
    notes.addExisting(existing);
    for (const same of plan.samePhotos) notes.addSamePhoto(same);
    if (plan.todo.length > 0) notes.begin(request.options);
    if (notes.canGrow) await retry(() => notes.flush());
    await job.run(shuffledIf(request.options.random_order, plan.todo), control);
  } finally {
    detector.dispose();
    // Also after an error: what is written is listed.
    await notes.flush().catch(() => undefined);
  }
  return {
    totalImages: images.length,
    successfullyAligned: skippedExisting + job.alignedCount,
    skippedExisting,
    existing: plan.counts,
    renamed: names.renamed(images),
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

/** Nobody can be asked for the folders that the terminal serves. */
function canBeAllowedAgain({ input, output }: AlignRequest): boolean {
  const folders = output.kind === 'directory' ? [...input, output.directory] : input;
  return folders.every(({ kind }) => kind !== 'http');
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
  readonly #options: AlignOptions;
  readonly #isByHand: boolean;
  readonly #onEvent: (event: AlignEvent) => void;
  /** Around all reading and writing. */
  readonly #retry: Retry;
  readonly #progress = new Throttle(PROGRESS_INTERVAL_MS);
  readonly #thumbnails = new Throttle(THUMBNAIL_INTERVAL_MS);
  /** Photos of which something is there already. */
  readonly #planned = new Map<ImageFile, PlannedPhoto>();
  /** In a run that replaces faces: what it has written is not removed as another photo's old face. */
  readonly #written = new Set<string>();

  constructor(
    detector: FaceDetector,
    pool: PhotoPool,
    output: WritableDirectory,
    names: OutputNames,
    notes: AlignmentNotes,
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
    this.#isByHand = isByHand;
    this.#options = options;
    this.#onEvent = onEvent;
  }

  async run(planned: readonly PlannedPhoto[], control: JobControl): Promise<void> {
    const startedAt = performance.now();
    const notesThrottle = new Throttle(NOTES_INTERVAL_MS);
    notesThrottle.ready();
    const images = planned.map(({ image }) => image);
    for (const photo of planned) if (photo.previous) this.#planned.set(photo.image, photo);
    let done = 0;
    try {
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
        done++;
        if (this.#progress.ready() || done === images.length) {
          const photosPerSecond = (1000 * done) / (performance.now() - startedAt);
          this.#onEvent({
            kind: 'progress',
            done,
            total: images.length,
            photosPerSecond,
            secondsLeft: (images.length - done) / photosPerSecond,
          });
        }
        if (this.#notes.canGrow && notesThrottle.ready()) await this.#retry(() => this.#notes.flush());
      }
      this.photoTimes = await this.#pool.times();
    } catch (error) {
      // Cancelled while it waited for a permission.
      if (!(control.cancelled && error instanceof PermissionLostError)) throw error;
    }
  }

  async #prepare(found: PhotoDetection, photo: PooledPhoto): Promise<Prepared> {
    const { image_size, margin, detect_multiple_faces, minsize } = this.#options;
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
    const boxes = chosen.map((index) => cropBox(faces[index]!.box, margin, width, height));
    const aligned = await photo.align(boxes, image_size, this.#thumbnails.ready());
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
        message: `The face found in ${file.path} lies outside of the photo.`,
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
