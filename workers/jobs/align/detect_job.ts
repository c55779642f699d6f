/** Every face of every photo of some folders, as records. */
import type { ImageFile } from '../../files/classes.ts';
import { NoImagesError } from '../../protocol/data/file_errors.ts';
import { isPhotoPath } from '../../protocol/data/images.ts';
import { compareNames } from '../../protocol/data/names.ts';
import { openDirectories } from '../../files/open.ts';
import { SkippedFileCount } from '../../protocol/data/skipped_file_count.ts';
import { chooseFace, cropBox } from '../../detector/align.ts';
import { FaceDetector } from '../../detector/detector.ts';
import type {
  AlignOptions,
  DetectedFace,
  DetectionRecord,
  DetectSummary,
} from '../../protocol/align/align.ts';
import type { DirectoryReference } from '../../protocol/data/dataset.ts';
import type { BackendName } from '../../protocol/device.ts';
import { detectPhotos, type PhotoDetection } from './detect_photos.ts';
import type { JobControl } from '../../protocol/job_control.ts';
import { PhotoPool } from '../photo_pool.ts';

/** In the page's thread it takes its time; the last one is waited for, so that none comes after the result. */
type OnRecord = (record: DetectionRecord, done: number, total: number) => unknown;

/** Photos at any depth below the folders. @throws NoImagesError */
export async function detect(
  input: readonly DirectoryReference[],
  options: AlignOptions,
  backend: BackendName | undefined,
  onRecord: OnRecord,
  control: JobControl,
): Promise<DetectSummary> {
  const directories = await openDirectories(input);
  const photos = [];
  const skipped = new SkippedFileCount();
  for (const directory of directories)
    for await (const { path } of directory.list(control.signal))
      if (isPhotoPath(path)) photos.push({ path, directory });
      else skipped.add(path);
  if (photos.length === 0)
    throw new NoImagesError(directories.map(({ name }) => name).join(' + '), skipped.groups);
  photos.sort((a, b) => compareNames(a.path, b.path));
  const detector = await FaceDetector.create(backend);
  try {
    return { ...(await recordPhotos(detector, photos, options, control, onRecord)), skipped: skipped.groups };
  } finally {
    detector.dispose();
  }
}

export async function recordPhotos(
  detector: FaceDetector,
  photos: readonly ImageFile[],
  options: AlignOptions,
  control: JobControl,
  onRecord: OnRecord,
): Promise<{ images: number; faces: number; failures: number }> {
  const totals = { images: 0, faces: 0, failures: 0 };
  const pool = new PhotoPool();
  let told: unknown;
  try {
    const records = detectPhotos(detector, pool, photos, options, async (found) => recordOf(found));
    for await (const { file, outcome } of records) {
      if (!(await control.proceed())) break;
      totals.images++;
      if (outcome.status === 'rejected') totals.failures++;
      else totals.faces += outcome.value.faces.length;
      const record = outcome.status === 'rejected' ? failedRecord(file.path, outcome.reason) : outcome.value;
      told = onRecord(record, totals.images, photos.length);
    }
    await told;
    return totals;
  } finally {
    pool.dispose();
  }
}

function recordOf({ file, width, height, detection }: PhotoDetection): DetectionRecord {
  return {
    image: file.path,
    width,
    height,
    n_rnet_in: detection.rNetCount,
    n_onet_in: detection.oNetCount,
    faces: detection.faces.map(roundedFace),
    ...chosenFields(detection.faces, width, height),
  };
}

function failedRecord(path: string, reason: unknown): DetectionRecord {
  return {
    image: path,
    width: 0,
    height: 0,
    n_rnet_in: 0,
    n_onet_in: 0,
    faces: [],
    error: reason instanceof Error ? reason.message : String(reason),
  };
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

function roundedFace(face: DetectedFace): DetectionRecord['faces'][number] {
  const pixels = (values: readonly number[]): number[] => values.map((value) => round(value, 4));
  return {
    box: pixels(face.box),
    score: round(face.score, 6),
    landmarks_x: pixels(face.landmarksX),
    landmarks_y: pixels(face.landmarksY),
  };
}

function chosenFields(
  faces: readonly DetectedFace[],
  width: number,
  height: number,
): Partial<DetectionRecord> {
  const chosen = chooseFace(faces, width, height);
  if (chosen < 0) return {};
  const { box } = faces[chosen]!;
  return {
    chosen,
    crop_margin32: cropBox(box, 32, width, height),
    crop_margin44: cropBox(box, 44, width, height),
  };
}
