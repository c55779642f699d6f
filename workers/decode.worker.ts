/**
 * Entry point of a pool's worker: keeps decoded photos and does what needs their pixels. Where the networks run on the
 * processor, it finds the faces, too.
 */
import { expose, transfer } from 'comlink';
import { inTurnOfLargePhotos } from './files/images/decode.ts';
import type { CutOptions, FaceCut } from './detector/align.ts';
import type { Detection, DetectionOptions } from './detector/cascade.ts';
import { FaceDetector } from './detector/detector.ts';
import {
  Photo,
  photoClocks,
  PhotoFile,
  type AlignedFaces,
  type PhotoRegion,
  type PyramidOptions,
} from './detector/photo.ts';
import type { AlignTimes } from './protocol/align/align.ts';
import type { RgbImage } from './protocol/data/images.ts';
import type { BackendMemory } from './protocol/device.ts';
import type { PlainError } from './protocol/errors.ts';

export interface OpenedPhoto {
  readonly id: number;
  readonly width: number;
  readonly height: number;
  /** The SHA-256 digest of the file's bytes; see detector/photo.ts. */
  readonly digest: string;
}

export type SearchedPhoto =
  { readonly opened: OpenedPhoto; readonly detection: Detection } | { readonly error: PlainError };

export type PhotoWithPixels = OpenedPhoto & { readonly data: Uint8Array<ArrayBuffer> };

/** A photo; or how many pixels it has, where it is to be opened when it is its turn, see `inTurnOfLargePhotos`. */
export interface OpenedOrLarge {
  readonly opened?: PhotoWithPixels;
  readonly largePixelCount?: number;
}

/** The last ones are about the faces that are cut out later. */
export type SearchOptions = PyramidOptions & DetectionOptions & CutOptions;

export interface PhotoBlob {
  readonly blob: Blob;
  readonly path: string;
}

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
  const { width, height, digest } = opened;
  return { id, width, height, digest };
}

async function openDetector(): Promise<FaceDetector> {
  const created = await FaceDetector.createSingleThreaded();
  networksMs = () => created.networksMs;
  return created;
}

/** Of several photos those that are not large are looked at together. */
async function searchSmall(
  files: readonly PhotoFile[],
  options: SearchOptions,
): Promise<PromiseSettledResult<SearchedPhoto>[]> {
  const opened = await Promise.allSettled(files.map((file) => Photo.open(file, options)));
  const readable = opened.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const detections = await (await detector!).detectInPhotos(readable, options);
  const byPhoto = new Map(readable.map((one, index) => [one, detections[index]!]));
  return opened.map((one) =>
    one.status === 'rejected'
      ? one
      : { status: 'fulfilled', value: { opened: keep(one.value), detection: byPhoto.get(one.value)! } },
  );
}

/** Its pixels are here while it is looked at; then those of its faces are. */
function searchLarge(file: PhotoFile, options: SearchOptions): Promise<SearchedPhoto> {
  return inTurnOfLargePhotos(async () => {
    const opened = await Photo.open(file, options);
    try {
      const [detection] = await (await detector!).detectInPhotos([opened], options);
      opened.keepOnly(opened.regionsOf(detection!.faces, options));
      return { opened: keep(opened), detection: detection! };
    } finally {
      opened.close();
    }
  });
}

const api = {
  /** With a copy of its pixels, for networks that run elsewhere. */
  async open({ blob, path }: PhotoBlob, options: PyramidOptions): Promise<OpenedOrLarge> {
    const file = await PhotoFile.inspect(blob, path);
    if (file.isLarge) return { largePixelCount: file.pixelCount };
    const opened = await Photo.open(file, options);
    const data = opened.image.data.slice();
    return transfer({ opened: { ...keep(opened), data } }, [data.buffer]);
  },

  /** With its pixels, of which nothing stays here. The caller has the turn of large photos until it has dropped them. */
  async openLarge({ blob, path }: PhotoBlob, options: PyramidOptions): Promise<PhotoWithPixels> {
    const opened = await Photo.open(await PhotoFile.inspect(blob, path), options);
    const { data } = opened.image;
    opened.keepOnly([]);
    return transfer({ ...keep(opened), data }, [data.buffer]);
  },

  /** Pixels of a large photo that came back. */
  keepRegions(id: number, regions: readonly PhotoRegion[]): void {
    photo(id).keepOnly(regions);
  },

  /** The whole cascade, on this worker's thread. */
  async search(blobs: readonly PhotoBlob[], options: SearchOptions): Promise<SearchedPhoto[]> {
    detector ??= openDetector();
    const files = await Promise.allSettled(blobs.map(({ blob, path }) => PhotoFile.inspect(blob, path)));
    const readable = files.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const small = readable.filter(({ isLarge }) => !isLarge);
    const searched = new Map<PhotoFile, PromiseSettledResult<SearchedPhoto>>();
    const together = small.length > 0 ? await searchSmall(small, options) : [];
    small.forEach((file, index) => searched.set(file, together[index]!));
    for (const file of readable)
      if (file.isLarge) searched.set(file, (await Promise.allSettled([searchLarge(file, options)]))[0]);
    return files.map((file): SearchedPhoto => {
      const outcome = file.status === 'fulfilled' ? searched.get(file.value)! : file;
      if (outcome.status === 'fulfilled') return outcome.value;
      const { name, message } = outcome.reason as Error;
      return { error: { name, message } };
    });
  },

  async align(
    id: number,
    cuts: readonly FaceCut[],
    imageSize: number,
    withThumbnail: boolean,
  ): Promise<AlignedFaces> {
    const faces = await photo(id).align(cuts, imageSize, withThumbnail);
    const files = faces.files.flatMap((file) => (file ? [file.buffer] : []));
    return transfer(faces, faces.thumbnail ? [...files, faces.thumbnail] : files);
  },

  /** @returns the faces' pixels; undefined for a cut without area */
  async cut(id: number, cuts: readonly FaceCut[], imageSize: number): Promise<(RgbImage | undefined)[]> {
    const faces = await photo(id).cut(cuts, imageSize);
    return transfer(
      faces,
      faces.flatMap((face) => (face ? [face.data.buffer as ArrayBuffer] : [])),
    );
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
