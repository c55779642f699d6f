/**
 * A decoded photo and everything that alignment asks of its pixels on the processor: levels of the pyramid, crops for the
 * networks, aligned faces. Photos live in a pool of workers (see jobs/photo_pool.ts). A graphics processor makes levels
 * and crops of its own (see gpu/).
 */
import { BusyClock } from '../busy_clock.ts';
import { decodePhoto, readFileBytes, toImageData, type DecodedPhoto } from '../dataset/decode.ts';
import { sha256 } from '../dataset/sha256.ts';
import { encodePng } from '../dataset/encode_png.ts';
import type { RgbImage } from '../dataset/image.ts';
import { cropFace, type CropBox } from './align.ts';
import type { Box } from './boxes.ts';
import { cropForNetwork, pyramidLevel, pyramidScales, type Level } from './crops.ts';
import { PhotoPixels } from './simd/photo_pixels.ts';
import { hasVectors } from '../webassembly/has_vectors.ts';

export interface PyramidOptions {
  /** The smallest face to look for, pixels of the photo. */
  readonly minsize: number;
  readonly factor: number;
}

/** What the cascade needs of a photo; boxes are in the pixels of `width` × `height`. */
export interface CascadePhoto {
  readonly width: number;
  readonly height: number;
  readonly image: RgbImage;
  /** Of its pyramid. */
  readonly scales: readonly number[];
  level(index: number): Level;
  /** @returns [boxes, size, size, 3], transposed and normalised; zero for boxes without area */
  crops(boxes: readonly Box[], size: number): Promise<Float32Array>;
}

export interface AlignedFaces {
  /** A PNG file a box; undefined for a box without area. */
  readonly files: readonly (Uint8Array<ArrayBuffer> | undefined)[];
  /** Of the first box. */
  readonly thumbnail?: ImageBitmap | undefined;
}

/** What the photos of this worker took so far. */
export const photoClocks = { decode: new BusyClock(), resize: new BusyClock(), encode: new BusyClock() };

/** With the processor's vectors where the browser lends them. */
const pixels = hasVectors()
  ? new PhotoPixels()
  : { level: pyramidLevel, crop: cropForNetwork, face: cropFace, release: () => undefined };

/** Files up to this are read before it is known what they are. */
const READ_WHOLE_BYTES = 16e6;

/** The smallest face that the cascade can look for without enlarging the photo. */
const CELL_PX = 12;

export class Photo implements CascadePhoto {
  readonly width: number;
  readonly height: number;
  /** The photo's own size, where it was reduced to be decoded. */
  readonly originalWidth: number;
  readonly originalHeight: number;
  /** Equal for files with the same bytes; empty where it did not come from a file. */
  readonly digest: string;
  readonly scales: readonly number[];
  readonly image: RgbImage;

  constructor(decoded: DecodedPhoto, options: PyramidOptions, digest = '') {
    const { image } = decoded;
    this.digest = digest;
    this.image = image;
    this.width = image.width;
    this.height = image.height;
    this.originalWidth = decoded.width;
    this.originalHeight = decoded.height;
    const reduction = image.width / decoded.width;
    const minsize = reduction < 1 ? Math.max(options.minsize * reduction, CELL_PX) : options.minsize;
    this.scales = pyramidScales(image.width, image.height, minsize, options.factor);
  }

  /** Made when asked for: a large photo's whole pyramid takes three times the photo's own memory. */
  level(index: number): Level {
    return photoClocks.resize.duringSync(() => pixels.level(this.image, this.scales[index]!));
  }

  /** @throws UnreadableImageError */
  static async open(blob: Blob, path: string, options: PyramidOptions): Promise<Photo> {
    return photoClocks.decode.during(async () => {
      // Each look into a file is a message to another process: most are read once, as a whole.
      const bytes = blob.size <= READ_WHOLE_BYTES ? await readFileBytes(blob, path) : undefined;
      const decoded = await decodePhoto(blob, path, bytes);
      return new Photo(decoded, options, await sha256(bytes ?? (await readFileBytes(blob, path))));
    });
  }

  static of(image: RgbImage, options: PyramidOptions): Photo {
    return new Photo({ image, width: image.width, height: image.height }, options);
  }

  async crops(boxes: readonly Box[], size: number): Promise<Float32Array<ArrayBuffer>> {
    return photoClocks.resize.duringSync(() => {
      const length = size * size * 3;
      const values = new Float32Array(boxes.length * length);
      boxes.forEach((box, index) =>
        pixels.crop(this.image, box, size, values.subarray(index * length, (index + 1) * length)),
      );
      return values;
    });
  }

  /** Gives back what was kept for its next level, crop or face. */
  close(): void {
    pixels.release(this.image);
  }

  /** @param boxes in the photo's own pixels */
  align(boxes: readonly CropBox[], imageSize: number, withThumbnail: boolean): Promise<AlignedFaces> {
    return photoClocks.encode.during(() => this.#align(boxes, imageSize, withThumbnail));
  }

  async #align(boxes: readonly CropBox[], imageSize: number, withThumbnail: boolean): Promise<AlignedFaces> {
    const faces = boxes.map((box) => pixels.face(this.image, this.#reduced(box), imageSize));
    const files = await Promise.all(faces.map((face) => face && encodePng(face)));
    const first = faces[0];
    return {
      files,
      thumbnail: withThumbnail && first ? await createImageBitmap(toImageData(first)) : undefined,
    };
  }

  #reduced([x1, y1, x2, y2]: CropBox): CropBox {
    if (this.width === this.originalWidth) return [x1, y1, x2, y2];
    const [shareX, shareY] = [this.width / this.originalWidth, this.height / this.originalHeight];
    return [
      Math.trunc(x1 * shareX),
      Math.trunc(y1 * shareY),
      Math.trunc(x2 * shareX),
      Math.trunc(y2 * shareY),
    ];
  }
}
