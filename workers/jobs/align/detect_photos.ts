/**
 * The pipeline that alignment and detection share. Photos go through the cascade in groups, several of which are under
 * way at a time.
 *
 * On a GPU the photos of a group are decoded by a pool of workers, whose pixels are uploaded here: the networks look at all
 * of them together while the pool works for other groups. On the processor each worker of the pool does all of it for a group of its
 * own: the processor's cores are evenly busy, and no pixels are sent around.
 */
import type { ImageFile } from '../../files/classes.ts';
import { inTurnOfLargePhotos } from '../../files/images/decode.ts';
import type { FileStats } from '../../protocol/data/directories.ts';
import { FolderUnavailableError } from '../../protocol/data/file_errors.ts';
import { statsOfBlob } from '../../files/file_stats.ts';
import type { Detection } from '../../detector/cascade.ts';
import type { FaceDetector } from '../../detector/detector.ts';
import { PhotoTooLargeError } from '../../detector/gpu/errors.ts';
import type { Photo } from '../../detector/photo.ts';
import type { AlignOptions } from '../../protocol/align/align.ts';
import type { PhotoPool, PooledPhoto } from '../photo_pool.ts';
import { WorkerFailedError } from '../../rpc/worker_client.ts';
import { inGroups, readAhead } from '../read_ahead.ts';

/** The networks take the photos of a group together. */
const GROUP_SIZE_ON_GPU = 8;
/** Photos go through the networks one by one: so few that all cores are busy to the end, and a message is worth it. */
const GROUP_SIZE_ON_PROCESSOR = 2;
/** Files that are read before their group begins. */
const FILES_AHEAD = 8;
/** A group's files have so many bytes at most (or it is one photo): some 25 megapixels as cameras write them. */
const GROUP_BYTES = 8e6;
/** One in the networks, one that is uploaded or whose boxes are suppressed, one that is decoded or written. */
const GROUPS_ON_GPU = 3;
/** One that is looked at, others that are decoded, written or wait. */
const GROUPS_A_WORKER = 4;

export interface PhotoDetection {
  readonly file: ImageFile;
  /** Of the file as it was read. */
  readonly stats: FileStats;
  /** Upright. */
  readonly width: number;
  readonly height: number;
  /** Equal for files with the same bytes. */
  readonly digest: string;
  readonly detection: Detection;
}

/** Does the work, perhaps more than once, or not at once. */
export type Retry = <Value>(work: () => Promise<Value>) => Promise<Value>;

type Found = { readonly photo: PooledPhoto; readonly detection: Detection };

interface ReadFile {
  readonly file: ImageFile;
  readonly blob: Blob;
}

/**
 * @param finish what needs the photo's pixels once its faces are known; the photo is closed afterwards
 * @param retry around everything that reads the folders
 * @returns in the order of the files, a result or why there is none
 * @throws FolderUnavailableError, WorkerFailedError (from iterating)
 */
export async function* detectPhotos<Result>(
  detector: FaceDetector,
  pool: PhotoPool,
  files: Iterable<ImageFile> | AsyncIterable<ImageFile>,
  options: AlignOptions,
  finish: (found: PhotoDetection, photo: PooledPhoto) => Promise<Result>,
  retry: Retry = (work) => work(),
): AsyncGenerator<{ file: ImageFile; outcome: PromiseSettledResult<Result> }> {
  const isOnProcessor = detector.device.backend === 'wasm';
  const search = (group: readonly ReadFile[]): Promise<PromiseSettledResult<Found>[]> =>
    isOnProcessor
      ? pool.search(
          group.map(({ file, blob }) => ({ blob, path: file.path })),
          options,
        )
      : searchOnGpu(detector, pool, group, options);

  type Searched = { readonly blob: Blob; readonly found: PromiseSettledResult<Found> };

  const searchAgain = async (file: ImageFile): Promise<Searched> => {
    const blob = await retry(() => file.directory.read(file.path));
    return { blob, found: (await search([{ file, blob }]))[0]! };
  };

  /** Where the folder went away or was forbidden in between, it is not the photo's fault. */
  const unlessForbidden = async (file: ImageFile, searched: Searched): Promise<Searched> => {
    if (searched.found.status === 'fulfilled') return searched;
    const forbidden = await file.directory.read(file.path).then(
      () => false,
      (error: unknown) => error instanceof FolderUnavailableError,
    );
    return forbidden ? searchAgain(file) : searched;
  };

  const conclude = async (
    file: ImageFile,
    { blob, found }: Searched,
  ): Promise<PromiseSettledResult<Result>> => {
    if (found.status === 'rejected') return found;
    const { photo } = found.value;
    try {
      const { width, height, digest } = photo;
      const { detection } = found.value;
      const seen = { file, stats: statsOfBlob(blob), width, height, digest, detection };
      return { status: 'fulfilled', value: await finish(seen, photo) };
    } catch (reason) {
      return { status: 'rejected', reason };
    } finally {
      photo.close();
    }
  };

  const groupSize = isOnProcessor ? GROUP_SIZE_ON_PROCESSOR : GROUP_SIZE_ON_GPU;
  const groupsAtOnce = isOnProcessor ? GROUPS_A_WORKER * pool.size : GROUPS_ON_GPU;
  const read = readAhead(files, FILES_AHEAD, (file) => retry(() => file.directory.read(file.path)));
  const sizeOf = ({ result }: { result: PromiseSettledResult<Blob> }): number =>
    result.status === 'fulfilled' ? result.value.size : 0;
  const groups = readAhead(inGroups(read, groupSize, GROUP_BYTES, sizeOf), groupsAtOnce, async (group) => {
    const readable = group.flatMap(({ item: file, result }) =>
      result.status === 'fulfilled' ? [{ file, blob: result.value }] : [],
    );
    const searched = readable.length > 0 ? await search(readable) : [];
    const byFile = new Map(
      readable.map(({ file, blob }, index) => [file, { blob, found: searched[index]! }]),
    );
    return Promise.all(
      group.map(async ({ item: file, result }) => {
        if (result.status === 'rejected') return { file, outcome: result };
        try {
          const final = await unlessForbidden(file, byFile.get(file)!);
          return { file, outcome: await conclude(file, final) };
        } catch (reason) {
          return { file, outcome: { status: 'rejected', reason } as const };
        }
      }),
    );
  });
  for await (const { result } of groups) {
    // What fails for a whole group is no photo's fault.
    if (result.status === 'rejected') throw result.reason;
    for (const one of result.value) {
      if (one.outcome.status === 'rejected' && endsTheJob(one.outcome.reason)) throw one.outcome.reason;
      yield one;
    }
  }
}

/** Every other reason concerns one photo. */
function endsTheJob(reason: unknown): boolean {
  return reason instanceof FolderUnavailableError || reason instanceof WorkerFailedError;
}

/** Photos with more pixels take more memory of a GPU than they should: the processor looks at them, part by part. */
const LARGEST_PIXELS_ON_GPU = 50e6;

async function searchOnGpu(
  detector: FaceDetector,
  pool: PhotoPool,
  group: readonly ReadFile[],
  options: AlignOptions,
): Promise<PromiseSettledResult<Found>[]> {
  const files = group.map(({ file, blob }) => ({ blob, path: file.path }));
  const opened = await Promise.allSettled(files.map((file) => pool.open(file, options)));
  const small = opened.flatMap((one) =>
    one.status === 'fulfilled' && typeof one.value !== 'number' ? [one.value] : [],
  );
  const detections = await detectEach(
    detector,
    small.map(({ photo }) => photo),
    options,
  );
  const bySent = new Map(small.map((sent, index) => [sent, detections[index]!]));
  const found: PromiseSettledResult<Found>[] = [];
  for (const [index, one] of opened.entries()) {
    if (one.status === 'rejected') found.push(one);
    else if (typeof one.value === 'number') {
      const isForGpu = one.value <= LARGEST_PIXELS_ON_GPU;
      found.push(await searchLarge(detector, pool, files[index]!, options, isForGpu));
    } else {
      const detection = bySent.get(one.value)!;
      const { pooled } = one.value;
      if (detection.status === 'fulfilled')
        found.push({ status: 'fulfilled', value: { photo: pooled, detection: detection.value } });
      else {
        pooled.close();
        found.push((await pool.search([files[index]!], options))[0]!);
      }
    }
  }
  return found;
}

/** On the GPU if it has the memory for it. */
async function searchLarge(
  detector: FaceDetector,
  pool: PhotoPool,
  file: { readonly blob: Blob; readonly path: string },
  options: AlignOptions,
  isForGpu: boolean,
): Promise<PromiseSettledResult<Found>> {
  const found = isForGpu
    ? await inTurnOfLargePhotos(() => searchLargeOnGpu(detector, pool, file, options))
    : undefined;
  return found ?? (await pool.search([file], options))[0]!;
}

/** @returns undefined for a photo that the GPU cannot take */
async function searchLargeOnGpu(
  detector: FaceDetector,
  pool: PhotoPool,
  file: { readonly blob: Blob; readonly path: string },
  options: AlignOptions,
): Promise<PromiseSettledResult<Found> | undefined> {
  const [opened] = await Promise.allSettled([pool.openLarge(file, options)]);
  if (opened.status === 'rejected') return opened;
  const { photo, pooled } = opened.value;
  let isFound = false;
  try {
    const [detection] = await detectEach(detector, [photo], options);
    if (detection!.status === 'rejected') return undefined;
    await pooled.keep(photo.regionsOf(detection!.value.faces, options));
    isFound = true;
    return { status: 'fulfilled', value: { photo: pooled, detection: detection!.value } };
  } finally {
    if (!isFound) pooled.close();
  }
}

/** A photo that the GPU cannot take fails by itself; what else goes wrong is no photo's fault, and is thrown. */
async function detectEach(
  detector: FaceDetector,
  photos: readonly Photo[],
  options: AlignOptions,
): Promise<PromiseSettledResult<Detection>[]> {
  if (photos.length === 0) return [];
  try {
    const detections = await detector.detectInPhotos(photos, options);
    return detections.map((value) => ({ status: 'fulfilled', value }));
  } catch (reason) {
    if (!(reason instanceof PhotoTooLargeError)) throw reason;
    if (photos.length === 1) return [{ status: 'rejected', reason }];
    const each: PromiseSettledResult<Detection>[] = [];
    for (const photo of photos) each.push(...(await detectEach(detector, [photo], options)));
    return each;
  }
}
