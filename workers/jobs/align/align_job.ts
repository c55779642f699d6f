/** Folders of photos → folders of aligned faces, as the original's align_dataset_mtcnn. */
import { transfer } from 'comlink';
import { BusyClock } from '../../busy_clock.ts';
import { readClasses, type ImageFile } from '../../dataset/classes.ts';
import type { WritableDirectory } from '../../dataset/directory.ts';
import { PermissionLostError, StorageFullError } from '../../dataset/errors.ts';
import { isPhotoPath } from '../../dataset/image.ts';
import { openDirectories } from '../../dataset/open.ts';
import { ZipDirectory, ZipNotWrittenError } from '../../formats/zip_directory.ts';
import { chooseFace, cropBox, type CropBox } from '../../mtcnn/align.ts';
import { FaceDetector } from '../../mtcnn/detector.ts';
import type {
  AlignEvent,
  AlignFailure,
  AlignFailureReason,
  AlignOptions,
  AlignRequest,
  AlignSummary,
  DetectedFace,
} from '../../protocol/align.ts';
import { hashKey, permutation } from '../../random.ts';
import { detectPhotos, type PhotoDetection, type Retry } from './detect_photos.ts';
import { DuplicateFinder } from './duplicate_photos.ts';
import { Throttle, type JobControl } from '../job_control.ts';
import { withOutput } from '../job_output.ts';
import { readSetAside } from './set_aside_photos.ts';
import { OutputNames } from '../output_names.ts';
import { PermissionGate } from '../permission_gate.ts';
import { PhotoPool, type PooledPhoto } from '../photo_pool.ts';
import type { PhotoTimes } from '../../decode.worker.ts';

const PROGRESS_INTERVAL_MS = 250;
const THUMBNAIL_INTERVAL_MS = 120;
const BOXES_INTERVAL_MS = 5000;
const WRITING_IS_OVER = [StorageFullError, PermissionLostError, ZipNotWrittenError];
/** Of existing outputs whose size is asked for at once. */
const SIZES_AT_ONCE = 16;

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
  const dataset = await readClasses(
    await openDirectories(request.input),
    (totals) => onEvent({ kind: 'reading', ...totals }),
    control.signal,
    isPhotoPath,
  );
  const output = await openOutput();
  const allImages = dataset.classes.flatMap(({ images: list }) => list);
  // Named among all of them: a photo's face is called the same whichever photos are asked for.
  const names = new OutputNames(dataset.classes);
  const wanted = request.paths && new Set(request.paths);
  const images = wanted ? allImages.filter(({ path }) => wanted.has(path)) : allImages;
  const setAsidePaths = await readSetAside(output);
  const setAside = images.filter(({ path }) => setAsidePaths.has(path));
  const done = await doneImages(images, names, output, request.options);
  const todo = images.filter((image) => !done.has(image) && !setAsidePaths.has(image.path));
  const detector = await FaceDetector.create(request.backend);
  const { device } = detector;
  onEvent({
    kind: 'started',
    total: images.length,
    skipped: done.size,
    device: device.backend === 'webgpu' ? device.adapter : 'WebAssembly',
  });
  const gate = new PermissionGate(
    control,
    (message) => onEvent({ kind: 'paused', message }),
    () => onEvent({ kind: 'resumed' }),
  );
  const retry: Retry = canBeAllowedAgain(request) ? gate.through : (work) => work();
  const job = new AlignJob(detector, pool, output, names, request.options, onEvent, retry);
  try {
    await job.run(shuffledIf(request.options.random_order, todo), control);
  } finally {
    detector.dispose();
    // Also after an error: what is written is listed.
    await job.writeBoundingBoxes().catch(() => undefined);
  }
  return {
    totalImages: images.length,
    successfullyAligned: done.size + job.alignedCount,
    skippedExisting: done.size,
    renamed: names.renamed(images),
    failures: job.failures,
    duplicates: job.duplicatePhotos.duplicates,
    setAside: setAside.map(({ path }) => path),
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

/** The images whose output is there, whole. */
async function doneImages(
  images: readonly ImageFile[],
  outputNames: OutputNames,
  output: WritableDirectory,
  options: AlignOptions,
): Promise<Set<ImageFile>> {
  const existing = new Set<string>();
  for await (const { path } of output.list()) existing.add(path);
  const done = new Set<ImageFile>();
  const check = async (image: ImageFile): Promise<void> => {
    const stem = outputNames.stemOf(image);
    const names = options.detect_multiple_faces ? [`${stem}.png`, `${stem}_0.png`] : [`${stem}.png`];
    for (const name of names)
      if (existing.has(name) && (await output.size?.(name)) !== 0) {
        done.add(image);
        return;
      }
  };
  for (let from = 0; from < images.length; from += SIZES_AT_ONCE)
    await Promise.all(images.slice(from, from + SIZES_AT_ONCE).map(check));
  return done;
}

function shuffledIf(shuffle: boolean, images: readonly ImageFile[]): readonly ImageFile[] {
  if (!shuffle) return images;
  const order = permutation(hashKey(Date.now() >>> 0), images.length);
  return Array.from(order, (index) => images[index]!);
}

interface FaceFile {
  readonly path: string;
  readonly box: CropBox;
  readonly content: Uint8Array<ArrayBuffer>;
}

/** A photo's faces, cut out and encoded, or why there are none. */
type Prepared =
  | {
      readonly kind: 'faces';
      readonly found: PhotoDetection;
      readonly chosen: readonly number[];
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
  readonly #options: AlignOptions;
  readonly #onEvent: (event: AlignEvent) => void;
  /** Around all reading and writing. */
  readonly #retry: Retry;
  readonly #progress = new Throttle(PROGRESS_INTERVAL_MS);
  readonly #thumbnails = new Throttle(THUMBNAIL_INTERVAL_MS);
  readonly #boundingBoxes: string[] = [];
  /** Several runs into one folder, at once or one after the other, each write a file of their own. */
  readonly #boundingBoxesPath = `bounding_boxes_${String(Math.floor(Math.random() * 100_000)).padStart(5, '0')}.txt`;
  #boundingBoxesWritten = 0;

  constructor(
    detector: FaceDetector,
    pool: PhotoPool,
    output: WritableDirectory,
    names: OutputNames,
    options: AlignOptions,
    onEvent: (event: AlignEvent) => void,
    retry: Retry,
  ) {
    this.#retry = retry;
    this.#detector = detector;
    this.#pool = pool;
    this.#output = output;
    this.#names = names;
    this.#options = options;
    this.#onEvent = onEvent;
  }

  async run(images: readonly ImageFile[], control: JobControl): Promise<void> {
    const startedAt = performance.now();
    const boxesThrottle = new Throttle(BOXES_INTERVAL_MS);
    boxesThrottle.ready();
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
        if (outcome.status === 'rejected') this.#fail(file, 'unreadable', messageOf(outcome.reason));
        else if (outcome.value.kind === 'failure')
          this.#fail(file, outcome.value.reason, outcome.value.message);
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
        // A zip takes each name once; elsewhere the list so far outlives a closed page.
        if (!(this.#output instanceof ZipDirectory) && boxesThrottle.ready())
          await this.#retry(() => this.writeBoundingBoxes());
      }
      this.photoTimes = await this.#pool.times();
    } catch (error) {
      // Cancelled while it waited for a permission.
      if (!(control.cancelled && error instanceof PermissionLostError)) throw error;
    }
  }

  async writeBoundingBoxes(): Promise<void> {
    if (this.#boundingBoxes.length === this.#boundingBoxesWritten) return;
    const count = this.#boundingBoxes.length;
    await this.#output.write(this.#boundingBoxesPath, this.#boundingBoxes.join('\n') + '\n');
    this.#boundingBoxesWritten = count;
  }

  async #prepare(found: PhotoDetection, photo: PooledPhoto): Promise<Prepared> {
    const { image_size, margin, detect_multiple_faces, minsize } = this.#options;
    const { file, width, height, digest, detection } = found;
    this.duplicatePhotos.add(file.path, digest);
    const { faces } = detection;
    if (Math.min(width, height) < minsize)
      return {
        kind: 'failure',
        reason: 'too-small',
        message: `${file.path} has only ${width} × ${height} pixels; faces are looked for from ${minsize} pixels on.`,
      };
    if (faces.length === 0)
      return { kind: 'failure', reason: 'no-face', message: `No face was found in ${file.path}.` };
    const chosen = detect_multiple_faces
      ? faces.map((_, index) => index)
      : [chooseFace(faces, width, height)];
    const boxes = chosen.map((index) => cropBox(faces[index]!.box, margin, width, height));
    const aligned = await photo.align(boxes, image_size, this.#thumbnails.ready());
    const stem = this.#names.stemOf(file);
    const files = aligned.files.flatMap((content, order): FaceFile[] =>
      content
        ? [
            {
              path: detect_multiple_faces ? `${stem}_${order}.png` : `${stem}.png`,
              box: boxes[order]!,
              content,
            },
          ]
        : [],
    );
    if (files.length === 0)
      return {
        kind: 'failure',
        reason: 'no-face',
        message: `The face found in ${file.path} lies outside of the photo.`,
      };
    return { kind: 'faces', found, chosen, files, thumbnail: aligned.thumbnail };
  }

  async #write(file: ImageFile, prepared: Prepared & { kind: 'faces' }): Promise<void> {
    const { found, chosen, files, thumbnail } = prepared;
    try {
      // The first face is written last: where it is there, all are.
      for (const { path, content } of files.toReversed())
        await this.writing.during(() => this.#retry(() => this.#output.write(path, content)));
    } catch (error) {
      // Nothing that follows could be written either: stop, with everything so far whole.
      if (WRITING_IS_OVER.some((kind) => error instanceof kind)) throw error;
      return this.#fail(file, 'not-written', messageOf(error));
    }
    for (const { path, box } of files) this.#boundingBoxes.push(`${path} ${box.join(' ')}`);
    this.alignedCount++;
    const event = {
      kind: 'aligned',
      path: file.path,
      outputPaths: files.map(({ path }) => path),
      width: found.width,
      height: found.height,
      faces: found.detection.faces satisfies readonly DetectedFace[],
      chosen,
    } as const;
    if (thumbnail) this.#onEvent(transfer({ ...event, thumbnail }, [thumbnail]));
    else this.#onEvent(event);
  }

  #fail(file: ImageFile, reason: AlignFailureReason, message: string): void {
    const failure = { path: file.path, reason, message };
    this.failures.push(failure);
    this.#boundingBoxes.push(`${this.#names.stemOf(file)}.png`);
    this.#onEvent({ kind: 'failed', failure });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
