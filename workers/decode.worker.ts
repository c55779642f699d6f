/**
 * Entry point of a pool's worker: keeps decoded photos and does what needs their pixels. Where the networks run on the
 * processor, it finds the faces, too.
 */
import { expose, transfer } from 'comlink';
import type { CropBox } from './mtcnn/align.ts';
import type { Detection, DetectionOptions } from './mtcnn/cascade.ts';
import { FaceDetector } from './mtcnn/detector.ts';
import { Photo, photoClocks, type AlignedFaces, type PyramidOptions } from './mtcnn/photo.ts';
import type { AlignTimes } from './protocol/align.ts';
import type { BackendMemory } from './protocol/device.ts';
import type { PlainError } from './protocol/errors.ts';

export interface OpenedPhoto {
  readonly id: number;
  readonly width: number;
  readonly height: number;
  readonly originalWidth: number;
  readonly originalHeight: number;
  /** Of the file's bytes, see mtcnn/photo.ts. */
  readonly digest: string;
}

export type SearchedPhoto =
  { readonly opened: OpenedPhoto; readonly detection: Detection } | { readonly error: PlainError };

export type PhotoTimes = Omit<AlignTimes, 'writeMs'>;

const photos = new Map<number, Photo>();
let nextId = 1;
let detector: Promise<FaceDetector> | undefined;
let networksMs: () => number = () => 0;

function photo(id: number): Photo {
  const found = photos.get(id);
  if (!found) throw new Error(`The photo ${id} is closed.`);
  return found;
}

function keep(opened: Photo): OpenedPhoto {
  const id = nextId++;
  photos.set(id, opened);
  const { width, height, originalWidth, originalHeight, digest } = opened;
  return { id, width, height, originalWidth, originalHeight, digest };
}

async function openDetector(): Promise<FaceDetector> {
  const created = await FaceDetector.createSingleThreaded();
  networksMs = () => created.networksMs;
  return created;
}

const api = {
  /** With a copy of its pixels, for networks that run elsewhere. */
  async open(
    blob: Blob,
    path: string,
    options: PyramidOptions,
  ): Promise<OpenedPhoto & { readonly data: Uint8Array<ArrayBuffer> }> {
    const opened = await Photo.open(blob, path, options);
    const data = opened.image.data.slice();
    return transfer({ ...keep(opened), data }, [data.buffer]);
  },

  /** The whole cascade, on this worker's thread. */
  async search(
    files: readonly { readonly blob: Blob; readonly path: string }[],
    options: PyramidOptions & DetectionOptions,
  ): Promise<SearchedPhoto[]> {
    detector ??= openDetector();
    const opened = await Promise.allSettled(files.map(({ blob, path }) => Photo.open(blob, path, options)));
    const readable = opened.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const detections = await (await detector).detectInPhotos(readable, options);
    const byPhoto = new Map(readable.map((one, index) => [one, detections[index]!]));
    return opened.map((one): SearchedPhoto => {
      if (one.status === 'fulfilled') return { opened: keep(one.value), detection: byPhoto.get(one.value)! };
      const { name, message } = one.reason as Error;
      return { error: { name, message } };
    });
  },

  async align(
    id: number,
    boxes: readonly CropBox[],
    imageSize: number,
    withThumbnail: boolean,
  ): Promise<AlignedFaces> {
    const faces = await photo(id).align(boxes, imageSize, withThumbnail);
    const files = faces.files.flatMap((file) => (file ? [file.buffer] : []));
    return transfer(faces, faces.thumbnail ? [...files, faces.thumbnail] : files);
  },

  close(id: number): void {
    photos.get(id)?.close();
    photos.delete(id);
  },

  times(): PhotoTimes {
    const { decode, resize, encode } = photoClocks;
    return {
      decodeMs: decode.busyMs,
      resizeMs: resize.busyMs,
      encodeMs: encode.busyMs,
      networksMs: networksMs(),
    };
  },

  memory: (): BackendMemory => FaceDetector.memory(),
};

export type DecodeWorkerApi = typeof api;

expose(api);
