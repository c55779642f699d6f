/** Only the data path of a training, in a worker as in a run: files → decoded and stacked batches. */
import { expose } from 'comlink';
import { readClasses, type Dataset } from '../../workers/files/classes.ts';
import { encodePng } from '../../workers/files/images/encode_png.ts';
import type { WritableDirectory } from '../../workers/protocol/data/directories.ts';
import { ImageCache } from '../../workers/files/image_cache.ts';
import { openDirectories, openWritableDirectory } from '../../workers/files/open.ts';
import { ImagePool } from '../../workers/jobs/image_pool.ts';
import type { DirectoryReference } from '../../workers/protocol/data/dataset.ts';
import { drawSampleFace } from '../../workers/jobs/sample_faces/draw_face.ts';
import { samplePerson } from '../../workers/jobs/sample_faces/person.ts';
import { samplePhoto } from '../../workers/jobs/sample_faces/photo.ts';
import { BatchSource, labelledImages } from '../../workers/training/batch_source.ts';
import type { DecodeRate, DecodeSettings, ImageKind } from './data_bench.ts';

const PEOPLE = 4;
const SEED = 1;
const JPEG_QUALITY = 0.95;
/** Drawing a face takes longer than everything else, so the other files are copies. */
const DIFFERENT_FACES = 40;
/** Nothing is cached: each image is decoded each time, as with a dataset that is larger than the memory. */
const NO_CACHE_BYTES = 1;
const WARM_UP_BATCHES = 3;

/** Kept, so that its memory can be measured. */
let scanned: Dataset | undefined;

function folderOf(kind: ImageKind): DirectoryReference {
  return { kind: 'private', path: `bench-${kind}` };
}

async function encode(kind: ImageKind, index: number, size: number): Promise<Blob> {
  const face = drawSampleFace(
    samplePerson(SEED, index % PEOPLE),
    samplePhoto(SEED, index % PEOPLE, Math.floor(index / PEOPLE)),
  );
  const left = (face.width - size) >> 1;
  const pixels = face
    .getContext('2d', { willReadFrequently: true })!
    .getImageData(left, left, size, size).data;
  if (kind === 'png') {
    const data = new Uint8Array(size * size * 3).map((_, at) => pixels[Math.floor(at / 3) * 4 + (at % 3)]!);
    return new Blob([await encodePng({ width: size, height: size, data })]);
  }
  const canvas = new OffscreenCanvas(size, size);
  canvas.getContext('2d')!.putImageData(new ImageData(pixels, size, size), 0, 0);
  return canvas.convertToBlob({ type: 'image/jpeg', quality: JPEG_QUALITY });
}

async function writeImages(
  directory: WritableDirectory,
  { kind, imageCount, imageSize }: DecodeSettings,
): Promise<number> {
  let bytes = 0;
  const faces: Blob[] = [];
  for (let index = 0; index < imageCount; index++) {
    const file = (faces[index % DIFFERENT_FACES] ??= await encode(kind, index, imageSize));
    bytes += file.size;
    await directory.write(`person_${index % PEOPLE}/${index}.${kind}`, file);
  }
  return bytes;
}

const api = {
  async decode(settings: DecodeSettings): Promise<DecodeRate> {
    const { kind, imageCount, batchSize, seconds } = settings;
    const directory = await openWritableDirectory(folderOf(kind));
    const bytes = await writeImages(directory, settings);
    const { classes } = await readClasses([directory]);
    const pool = settings.workers > 0 ? new ImagePool(settings.workers) : undefined;
    const cache = new ImageCache(pool?.decode, NO_CACHE_BYTES);
    const batches = new BatchSource(
      labelledImages(classes),
      {
        batchSize,
        imageSize: settings.imageSize - 22,
        seed: SEED,
        augmentation: { random_crop: true, random_flip: true, random_rotate: false },
      },
      (file) => cache.read(file),
      (error) => {
        throw error;
      },
    );
    let step = 0;
    while (step < WARM_UP_BATCHES) await batches.next(step++);
    const startedAt = performance.now();
    const first = step;
    let elapsedSeconds = 0;
    while (elapsedSeconds < seconds) {
      await batches.next(step++);
      elapsedSeconds = (performance.now() - startedAt) / 1000;
    }
    pool?.dispose();
    const images = (step - first) * batchSize;
    return {
      kind,
      images,
      seconds: elapsedSeconds,
      imagesPerSecond: images / elapsedSeconds,
      meanFileBytes: bytes / imageCount,
    };
  },

  /** The first files that `decode` wrote. */
  async files(kind: ImageKind, count: number): Promise<Uint8Array[]> {
    const directory = await openWritableDirectory(folderOf(kind));
    const files: Uint8Array[] = [];
    for await (const { path } of directory.list()) {
      files.push(new Uint8Array(await (await directory.read(path)).arrayBuffer()));
      if (files.length === count) break;
    }
    return files;
  },

  /** Reads the names in the folders, and keeps the list. @returns the time and the counts */
  async scan(
    references: readonly DirectoryReference[],
  ): Promise<{ seconds: number; files: number; classes: number }> {
    const startedAt = performance.now();
    scanned = await readClasses(await openDirectories(references));
    return {
      seconds: (performance.now() - startedAt) / 1000,
      files: scanned.imageCount,
      classes: scanned.classes.length,
    };
  },
};

export type DataWorkerApi = typeof api;

expose(api);
