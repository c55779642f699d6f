/** Folders of photos → folders of aligned faces, as the original's align_dataset_mtcnn. */
import { transfer } from 'comlink';
import { readClasses, type ImageFile } from '../dataset/classes.ts';
import { decodeImage, encodePng, toImageData } from '../dataset/decode.ts';
import type { WritableDirectory } from '../dataset/directory.ts';
import { PermissionLostError, StorageFullError } from '../dataset/errors.ts';
import { baseName, type RgbImage } from '../dataset/image.ts';
import { openDirectories, openWritableDirectory } from '../dataset/open.ts';
import { ZipDirectory } from '../formats/zip_directory.ts';
import { chooseFace, cropBox, cropFace, type CropBox } from '../mtcnn/align.ts';
import { FaceDetector } from '../mtcnn/detector.ts';
import type {
  AlignEvent,
  AlignFailure,
  AlignFailureReason,
  AlignOptions,
  AlignRequest,
  AlignSummary,
  DetectedFace,
} from '../protocol.ts';
import { hashKey, permutation } from '../random.ts';
import { Throttle, type JobControl } from './job_control.ts';
import { readAhead } from './read_ahead.ts';

const DECODE_AHEAD = 4;
const PROGRESS_INTERVAL_MS = 250;
const THUMBNAIL_INTERVAL_MS = 120;
const BOXES_INTERVAL_MS = 5000;

export async function align(
  request: AlignRequest,
  onEvent: (event: AlignEvent) => void,
  control: JobControl,
): Promise<AlignSummary> {
  const startedAt = performance.now();
  const dataset = await readClasses(await openDirectories(request.input), undefined, control.signal);
  const output =
    request.output.kind === 'zip'
      ? new ZipDirectory(request.output.stream)
      : await openWritableDirectory(request.output.directory);
  const existing = await existingOutputs(output);
  const images = dataset.classes.flatMap(({ images: list }) => list);
  const todo = images.filter(({ path }) => !isDone(path, existing, request.options));
  const detector = await FaceDetector.create(request.backend);
  const { device } = detector;
  onEvent({
    kind: 'started',
    total: images.length,
    skipped: images.length - todo.length,
    device: device.backend === 'webgpu' ? device.adapter : 'WebAssembly',
  });
  const job = new AlignJob(detector, output, request.options, onEvent);
  try {
    await job.run(shuffledIf(request.options.random_order, todo), control);
    await job.writeBoundingBoxes();
    if (output instanceof ZipDirectory) await output.close();
  } finally {
    detector.dispose();
  }
  return {
    totalImages: images.length,
    successfullyAligned: images.length - todo.length + job.alignedCount,
    skippedExisting: images.length - todo.length,
    failures: job.failures,
    cancelled: control.cancelled,
    durationMs: performance.now() - startedAt,
  };
}

async function existingOutputs(output: WritableDirectory): Promise<Set<string>> {
  const existing = new Set<string>();
  for await (const { path } of output.list()) existing.add(path);
  return existing;
}

/** `Name/photo.jpg` → `Name/photo` */
function outputStem(path: string): string {
  return `${path.slice(0, path.lastIndexOf('/'))}/${baseName(path)}`;
}

function isDone(path: string, existing: ReadonlySet<string>, options: AlignOptions): boolean {
  const stem = outputStem(path);
  return existing.has(`${stem}.png`) || (options.detect_multiple_faces && existing.has(`${stem}_0.png`));
}

function shuffledIf(shuffle: boolean, images: readonly ImageFile[]): readonly ImageFile[] {
  if (!shuffle) return images;
  const order = permutation(hashKey(Date.now() >>> 0), images.length);
  return Array.from(order, (index) => images[index]!);
}

class AlignJob {
  readonly failures: AlignFailure[] = [];
  alignedCount = 0;
  readonly #detector: FaceDetector;
  readonly #output: WritableDirectory;
  readonly #options: AlignOptions;
  readonly #onEvent: (event: AlignEvent) => void;
  readonly #progress = new Throttle(PROGRESS_INTERVAL_MS);
  readonly #thumbnails = new Throttle(THUMBNAIL_INTERVAL_MS);
  readonly #boundingBoxes: string[] = [];
  /** Several runs into one folder, at once or one after the other, each write a file of their own. */
  readonly #boundingBoxesPath = `bounding_boxes_${String(Math.floor(Math.random() * 100_000)).padStart(5, '0')}.txt`;

  constructor(
    detector: FaceDetector,
    output: WritableDirectory,
    options: AlignOptions,
    onEvent: (event: AlignEvent) => void,
  ) {
    this.#detector = detector;
    this.#output = output;
    this.#options = options;
    this.#onEvent = onEvent;
  }

  async run(images: readonly ImageFile[], control: JobControl): Promise<void> {
    const startedAt = performance.now();
    const boxesThrottle = new Throttle(BOXES_INTERVAL_MS);
    boxesThrottle.ready();
    let done = 0;
    const decoded = readAhead(images, DECODE_AHEAD, async ({ path, directory }) =>
      decodeImage(await directory.read(path), path),
    );
    for await (const { item, result } of decoded) {
      if (!(await control.proceed())) return;
      if (result.status === 'rejected') {
        if (result.reason instanceof PermissionLostError) throw result.reason;
        this.#fail(item.path, 'unreadable', messageOf(result.reason));
      } else await this.#alignPhoto(item.path, result.value);
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
      if (!(this.#output instanceof ZipDirectory) && boxesThrottle.ready()) await this.writeBoundingBoxes();
    }
  }

  async writeBoundingBoxes(): Promise<void> {
    if (this.#boundingBoxes.length > 0)
      await this.#output.write(this.#boundingBoxesPath, this.#boundingBoxes.join('\n') + '\n');
  }

  async #alignPhoto(path: string, image: RgbImage): Promise<void> {
    const { image_size, margin, detect_multiple_faces } = this.#options;
    const { width, height } = image;
    if (Math.min(width, height) < this.#options.minsize)
      return this.#fail(path, 'too-small', `${path} has only ${width} × ${height} pixels.`);
    const { faces } = await this.#detector.detect(image, this.#options);
    if (faces.length === 0) return this.#fail(path, 'no-face', `No face was found in ${path}.`);
    const chosen = detect_multiple_faces
      ? faces.map((_, index) => index)
      : [chooseFace(faces, width, height)];
    const stem = outputStem(path);
    const crops: { path: string; box: CropBox; crop: RgbImage }[] = [];
    for (const [order, index] of chosen.entries()) {
      const box = cropBox(faces[index]!.box, margin, width, height);
      const crop = cropFace(image, box, image_size);
      if (crop)
        crops.push({ path: detect_multiple_faces ? `${stem}_${order}.png` : `${stem}.png`, box, crop });
    }
    if (crops.length === 0)
      return this.#fail(path, 'no-face', `The face found in ${path} lies outside of the photo.`);
    try {
      for (const { path: outputPath, box, crop } of crops) {
        await this.#output.write(outputPath, await encodePng(crop));
        this.#boundingBoxes.push(`${outputPath} ${box.join(' ')}`);
      }
    } catch (error) {
      // Nothing that follows could be written either: stop, with everything so far whole.
      if (error instanceof StorageFullError || error instanceof PermissionLostError) throw error;
      return this.#fail(path, 'not-written', messageOf(error));
    }
    this.alignedCount++;
    await this.#report(path, image, faces, chosen, crops);
  }

  async #report(
    path: string,
    { width, height }: RgbImage,
    faces: readonly DetectedFace[],
    chosen: readonly number[],
    crops: readonly { path: string; crop: RgbImage }[],
  ): Promise<void> {
    const event = {
      kind: 'aligned',
      path,
      outputPaths: crops.map((crop) => crop.path),
      width,
      height,
      faces,
      chosen,
    } as const;
    if (!this.#thumbnails.ready()) return this.#onEvent(event);
    const thumbnail = await createImageBitmap(toImageData(crops[0]!.crop));
    this.#onEvent(transfer({ ...event, thumbnail }, [thumbnail]));
  }

  #fail(path: string, reason: AlignFailureReason, message: string): void {
    const failure = { path, reason, message };
    this.failures.push(failure);
    this.#boundingBoxes.push(`${outputStem(path)}.png`);
    this.#onEvent({ kind: 'failed', failure });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
