/**
 * The pipeline that alignment and detection share: photos are read and decoded ahead in a pool of workers, and go
 * through the cascade in groups, two of which are under way at a time (the networks work on one while the pool cuts
 * out the crops of the other).
 */
import type { ImageFile } from '../dataset/classes.ts';
import { PermissionLostError } from '../dataset/errors.ts';
import type { Detection } from '../mtcnn/cascade.ts';
import type { FaceDetector } from '../mtcnn/detector.ts';
import type { AlignOptions, DetectedFace } from '../protocol.ts';
import type { PhotoPool, PooledPhoto } from './photo_pool.ts';
import { inGroups, readAhead } from './read_ahead.ts';

const GROUP_SIZE = 8;
const GROUPS_AT_ONCE = 2;
/** Decoded photos that wait, beyond the groups under way. */
const DECODED_AHEAD = 4;

export interface PhotoDetection {
  readonly file: ImageFile;
  /** The photo's own size, upright. */
  readonly width: number;
  readonly height: number;
  /** In the photo's own pixels. */
  readonly detection: Detection;
}

/** Does the work, perhaps more than once, or not at once. */
export type Retry = <Value>(work: () => Promise<Value>) => Promise<Value>;

/**
 * @param finish what needs the photo's pixels once its faces are known; the photo is closed afterwards
 * @param retry around everything that reads the folders
 * @returns in the order of the files, a result or why there is none
 * @throws PermissionLostError (from iterating)
 */
export async function* detectPhotos<Result>(
  detector: FaceDetector,
  pool: PhotoPool,
  files: Iterable<ImageFile>,
  options: AlignOptions,
  finish: (found: PhotoDetection, photo: PooledPhoto) => Promise<Result>,
  retry: Retry = (work) => work(),
): AsyncGenerator<{ file: ImageFile; outcome: PromiseSettledResult<Result> }> {
  const open = async (file: ImageFile): Promise<PooledPhoto> => {
    const blob = await file.directory.read(file.path);
    try {
      return await pool.open(blob, file.path, options);
    } catch (error) {
      // Where the permission was withdrawn in between, it is not the photo's fault, and this says so.
      await file.directory.read(file.path);
      throw error;
    }
  };
  const opened = readAhead(files, pool.size + DECODED_AHEAD, (file) => retry(() => open(file)));
  const groups = readAhead(inGroups(opened, GROUP_SIZE), GROUPS_AT_ONCE, async (group) => {
    const photos = group.flatMap(({ result }) => (result.status === 'fulfilled' ? [result.value] : []));
    const detections = await detector.detectInPhotos(photos, options);
    const byPhoto = new Map(photos.map((photo, index) => [photo, detections[index]!]));
    return Promise.all(
      group.map(async ({ item: file, result }) => {
        if (result.status === 'rejected') return { file, outcome: result };
        const photo = result.value;
        try {
          const { originalWidth: width, originalHeight: height } = photo;
          const detection = inOriginalPixels(byPhoto.get(photo)!, photo);
          const value = await finish({ file, width, height, detection }, photo);
          return { file, outcome: { status: 'fulfilled', value } as const };
        } catch (reason) {
          return { file, outcome: { status: 'rejected', reason } as const };
        } finally {
          photo.close();
        }
      }),
    );
  });
  for await (const { result } of groups) {
    // What fails for a whole group is no photo's fault.
    if (result.status === 'rejected') throw result.reason;
    for (const one of result.value) {
      if (one.outcome.status === 'rejected' && one.outcome.reason instanceof PermissionLostError)
        throw one.outcome.reason;
      yield one;
    }
  }
}

function inOriginalPixels(detection: Detection, photo: PooledPhoto): Detection {
  if (photo.width === photo.originalWidth) return detection;
  const [x, y] = [photo.originalWidth / photo.width, photo.originalHeight / photo.height];
  return {
    ...detection,
    faces: detection.faces.map(({ box, score, landmarksX, landmarksY }): DetectedFace => ({
      box: [box[0] * x, box[1] * y, box[2] * x, box[3] * y],
      score,
      landmarksX: landmarksX.map((value) => value * x),
      landmarksY: landmarksY.map((value) => value * y),
    })),
  };
}
