/** Entry point of a pool's worker: keeps decoded photos and does what needs their pixels. */
import { expose, transfer } from 'comlink';
import type { CropBox } from './mtcnn/align.ts';
import type { Box } from './mtcnn/boxes.ts';
import type { Level } from './mtcnn/crops.ts';
import { Photo, type AlignedFaces, type PyramidOptions } from './mtcnn/photo.ts';

export interface OpenedPhoto {
  readonly id: number;
  readonly width: number;
  readonly height: number;
  readonly originalWidth: number;
  readonly originalHeight: number;
  readonly levels: readonly Level[];
}

const photos = new Map<number, Photo>();
let nextId = 1;

function photo(id: number): Photo {
  const found = photos.get(id);
  if (!found) throw new Error(`The photo ${id} is closed.`);
  return found;
}

const api = {
  async open(blob: Blob, path: string, options: PyramidOptions): Promise<OpenedPhoto> {
    const opened = await Photo.open(blob, path, options);
    const id = nextId++;
    photos.set(id, opened);
    const { width, height, originalWidth, originalHeight, levels } = opened;
    return transfer(
      { id, width, height, originalWidth, originalHeight, levels },
      levels.map(({ values }) => values.buffer as ArrayBuffer),
    );
  },

  async crops(id: number, boxes: readonly Box[], size: number): Promise<Float32Array> {
    const values = await photo(id).crops(boxes, size);
    return transfer(values, [values.buffer]);
  },

  async align(
    id: number,
    boxes: readonly CropBox[],
    imageSize: number,
    withThumbnail: boolean,
  ): Promise<AlignedFaces> {
    const faces = await photo(id).align(boxes, imageSize, withThumbnail);
    return transfer(faces, faces.thumbnail ? [faces.thumbnail] : []);
  },

  close(id: number): void {
    photos.delete(id);
  },
};

export type DecodeWorkerApi = typeof api;

expose(api);
