/** Photos as taken, or faces that are aligned already → crops as the network takes them. */
import { readClasses, type ImageFile } from '../../files/classes.ts';
import { FileListDirectory } from '../../files/file_list_directory.ts';
import { isPhotoPath, type RgbImage } from '../../protocol/data/images.ts';
import { openDirectories } from '../../files/open.ts';
import { chooseFace, faceCut, type CutOptions } from '../../detector/align.ts';
import type { FaceDetector } from '../../detector/detector.ts';
import { DEFAULT_ALIGN_OPTIONS, type DetectedFace } from '../../protocol/align/align.ts';
import type { FacePhotos, FindFacesRequest } from '../../protocol/use/identify.ts';
import { detectPhotos } from '../align/detect_photos.ts';
import { cropOrPad, DECODES_AT_ONCE, failureOfOneFile, readImage, type ReadImage } from '../embed.ts';
import { PhotoPool } from '../photo_pool.ts';
import { readAhead } from '../read_ahead.ts';

export interface FacePhoto {
  readonly file: ImageFile;
  /** For the person; unlike the file's path not always the only one of its name. */
  readonly name: string;
  readonly index: number;
  /** The folder's name; empty for files. */
  readonly person: string;
}

/** A photo and its faces' crops, or one sentence that says why there are none. */
export interface LocatedPhoto {
  readonly photo: FacePhoto;
  readonly faces:
    | {
        readonly crops: readonly { readonly number: number; readonly image: RgbImage }[];
        readonly faceCount: number;
      }
    | { readonly message: string };
}

/** @throws NoImagesError */
export async function listPhotos(photos: FacePhotos, signal?: AbortSignal): Promise<FacePhoto[]> {
  if (photos.kind === 'files') {
    // Two photos may have one name: the place makes the path their own.
    const files = photos.files.map((file, index) => ({ path: `${index}/${file.name}`, file }));
    const directory = new FileListDirectory('photos', files);
    return files.map(({ path, file }, index) => ({
      file: { path, directory },
      name: file.name,
      index,
      person: '',
    }));
  }
  const { classes } = await readClasses(
    await openDirectories(photos.folders),
    undefined,
    signal,
    isPhotoPath,
  );
  return classes
    .flatMap(({ name, images }) => images.map((file) => ({ person: name, file })))
    .map(({ person, file }, index) => ({ file, name: file.path, index, person }));
}

/**
 * Finds and aligns the faces of photos, in their order.
 * @throws PermissionLostError
 */
export async function* locateFaces(
  photos: readonly FacePhoto[],
  detector: FaceDetector,
  which: FindFacesRequest['faces'],
  options: CutOptions,
): AsyncGenerator<LocatedPhoto> {
  const byFile = new Map(photos.map((photo) => [photo.file, photo]));
  const pool = new PhotoPool();
  try {
    const located = detectPhotos(
      detector,
      pool,
      photos.map(({ file }) => file),
      { ...DEFAULT_ALIGN_OPTIONS, ...options },
      async ({ width, height, detection: { faces } }, pooled) => {
        const chosen = chooseFaces(faces, which, width, height);
        const cuts = chosen.map((index) => faceCut(faces[index]!, options, width, height));
        const crops = await pooled.cut(cuts, options.image_size);
        return {
          crops: crops.flatMap((image, place) => (image ? [{ number: chosen[place]! + 1, image }] : [])),
          faceCount: faces.length,
        };
      },
    );
    for await (const { file, outcome } of located) {
      const photo = byFile.get(file)!;
      const { name } = photo;
      yield {
        photo,
        faces:
          outcome.status === 'rejected'
            ? { message: messageOf(outcome.reason, photo) }
            : outcome.value.crops.length === 0
              ? { message: `No face was found in ${name}.` }
              : outcome.value,
      };
    }
  } finally {
    pool.dispose();
  }
}

/** @returns places in the list of faces: of all of them, or of the one that alignment keeps, if there is any */
export function chooseFaces(
  faces: readonly DetectedFace[],
  which: FindFacesRequest['faces'],
  width: number,
  height: number,
): number[] {
  if (which === 'all') return [...faces.keys()];
  return [chooseFace(faces, width, height)].filter((index) => index >= 0);
}

/**
 * Faces that are aligned already, in their order: their centres.
 * @throws PermissionLostError
 */
export async function* readAlignedFaces(
  photos: readonly FacePhoto[],
  imageSize: number,
  read: ReadImage = readImage,
): AsyncGenerator<LocatedPhoto> {
  const decoded = readAhead(photos, DECODES_AT_ONCE, async ({ file }) =>
    cropOrPad(await read(file), imageSize),
  );
  for await (const { item: photo, result } of decoded) {
    if (result.status === 'fulfilled')
      yield { photo, faces: { crops: [{ number: 1, image: result.value }], faceCount: 1 } };
    else yield { photo, faces: { message: messageOf(failureOfOneFile(result.reason), photo) } };
  }
}

/** Readers know the file by its path, the person by its name. */
function messageOf(error: unknown, { file, name }: FacePhoto): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replaceAll(file.path, name);
}
