/**
 * A decoded photo, and everything that alignment needs of its pixels on the CPU: levels of the pyramid, crops for the
 * networks, aligned faces. Photos are in the memory of a pool of workers (see jobs/photo_pool.ts). With a GPU, the GPU
 * makes levels and crops (see gpu/).
 */
import { BusyClock } from '../common/busy_clock.ts';
import {
  decodeInspected,
  inspectImage,
  inTurnOfLargePhotos,
  isLarge,
  readFileBytes,
  toImageData,
  type InspectedImage,
} from '../files/images/decode.ts';
import { sha256 } from '../common/sha256.ts';
import { encodePng } from '../files/images/encode_png.ts';
import type { RgbImage } from '../protocol/data/images.ts';
import type { DetectedFace } from '../protocol/align/align.ts';
import { boxOfCut, cropFace, faceCut, type CropBox, type CutOptions, type FaceCut } from './align.ts';
import { cutAligned } from './landmark_alignment.ts';
import type { Box } from './boxes.ts';
import { cropForNetwork, cutOut, pyramidLevel, pyramidScales, type Level } from './crops.ts';
import { PhotoPixels } from './simd/photo_pixels.ts';
import { hasVectors } from '../webassembly/has_vectors.ts';

export interface PyramidOptions {
  /** The smallest face to look for, pixels of the photo. */
  readonly minsize: number;
  readonly factor: number;
}

/** The interface between the cascade and a photo. Boxes are in pixels of `width` × `height`. */
export interface CascadePhoto {
  readonly width: number;
  readonly height: number;
  readonly image: RgbImage;
  /** The scales of its pyramid. */
  readonly scales: readonly number[];
  /** @param columns number of columns, from column `from` on; default: the whole level */
  level(index: number, from?: number, columns?: number): Level;
  /** @returns [boxes, size, size, 3], transposed and normalised; zero for boxes without area */
  crops(boxes: readonly Box[], size: number): Promise<Float32Array>;
}

export interface AlignedFaces {
  /** One PNG file per box; undefined for a box without area. */
  readonly files: readonly (Uint8Array<ArrayBuffer> | undefined)[];
  /** The thumbnail of the first box. */
  readonly thumbnail?: ImageBitmap | undefined;
}

/** The time that the photos of this worker have taken. */
export const photoClocks = { decode: new BusyClock(), resize: new BusyClock(), encode: new BusyClock() };

/** Uses SIMD kernels if the browser has WebAssembly SIMD. */
const pixels = hasVectors()
  ? new PhotoPixels()
  : { level: pyramidLevel, crop: cropForNetwork, face: cropFace, release: () => undefined };

/** Files up to this size are read at once, before their format is known. */
const READ_WHOLE_BYTES = 16e6;

/** The most pixels of a large photo that are kept for its aligned faces. If more are needed, it is decoded again. */
const KEPT_FACES_PIXELS = 16e6;

/** A part of a photo. */
export interface PhotoRegion {
  readonly left: number;
  readonly top: number;
  readonly image: RgbImage;
}

/** Decodes the photo again, after its pixels have been released. */
export type PhotoSource = () => Promise<RgbImage>;

export class Photo implements CascadePhoto {
  readonly width: number;
  readonly height: number;
  /** Equal for files with the same bytes; empty if the photo did not come from a file. */
  readonly digest: string;
  readonly scales: readonly number[];
  #image: RgbImage | undefined;
  readonly #source: PhotoSource | undefined;
  #regions: readonly PhotoRegion[] = [];

  constructor(image: RgbImage, options: PyramidOptions, digest = '', source?: PhotoSource) {
    this.digest = digest;
    this.#image = image;
    this.#source = source;
    this.width = image.width;
    this.height = image.height;
    this.scales = pyramidScales(image.width, image.height, options.minsize, options.factor);
  }

  get image(): RgbImage {
    if (!this.#image) throw new Error('The pixels of this photo were given back.');
    return this.#image;
  }

  /** Makes a level on demand, because the whole pyramid of a large photo takes three times the memory of the photo. */
  level(index: number, from?: number, columns?: number): Level {
    return photoClocks.resize.duringSync(() => pixels.level(this.image, this.scales[index]!, from, columns));
  }

  /**
   * Open a large photo only while no other one is open; see `inTurnOfLargePhotos`.
   * @throws UnreadableImageError
   */
  static async open(file: PhotoFile, options: PyramidOptions): Promise<Photo> {
    return photoClocks.decode.during(
      async () =>
        new Photo(await file.decode(), options, await file.digest(), () =>
          inTurnOfLargePhotos(() => photoClocks.decode.during(() => file.decode())),
        ),
    );
  }

  static of(image: RgbImage, options: PyramidOptions): Photo {
    return new Photo(image, options);
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

  /** The surroundings of faces, from which `align` can cut them; none if they are a large part of a large photo. */
  regionsOf(faces: readonly DetectedFace[], options: CutOptions): PhotoRegion[] {
    const { width: photoWidth, height: photoHeight } = this;
    const boxes = faces
      .map((face) => faceCut(face, options, photoWidth, photoHeight))
      .map((cut) => boxOfCut(cut, options.image_size, photoWidth, photoHeight))
      .filter(([x1, y1, x2, y2]) => x2 > x1 && y2 > y1);
    const total = boxes.reduce((sum, [x1, y1, x2, y2]) => sum + (x2 - x1) * (y2 - y1), 0);
    if (total > KEPT_FACES_PIXELS) return [];
    return boxes.map(([left, top, x2, y2]) => {
      const [width, height] = [x2 - left, y2 - top];
      return { left, top, image: { width, height, data: cutOut(this.image, left, top, width, height) } };
    });
  }

  /** Releases all pixels except these regions. Other pixels are decoded again when they are needed. */
  keepOnly(regions: readonly PhotoRegion[]): void {
    this.close();
    this.#regions = regions;
    this.#image = undefined;
  }

  /** Releases the memory that was kept for the next level, crop or face. */
  close(): void {
    if (this.#image) pixels.release(this.#image);
  }

  /** @param cuts in the photo's pixels */
  async align(cuts: readonly FaceCut[], imageSize: number, withThumbnail: boolean): Promise<AlignedFaces> {
    const whole = await this.#wholeFor(cuts, imageSize);
    return photoClocks.encode.during(() => this.#align(whole, cuts, imageSize, withThumbnail));
  }

  /**
   * As `align`, without making files of the faces.
   * @returns undefined for a cut without area
   */
  async cut(cuts: readonly FaceCut[], imageSize: number): Promise<(RgbImage | undefined)[]> {
    const whole = await this.#wholeFor(cuts, imageSize);
    return photoClocks.encode.duringSync(() => this.#cut(whole, cuts, imageSize));
  }

  /** All pixels, or undefined where what was kept of a large photo is enough for these cuts. */
  async #wholeFor(cuts: readonly FaceCut[], imageSize: number): Promise<RgbImage | undefined> {
    const isKept = (cut: FaceCut): boolean =>
      this.#regionOf(boxOfCut(cut, imageSize, this.width, this.height)) !== undefined;
    return this.#image ?? (cuts.every(isKept) ? undefined : this.#again());
  }

  #cut(whole: RgbImage | undefined, cuts: readonly FaceCut[], imageSize: number): (RgbImage | undefined)[] {
    const faces = cuts.map((cut) => {
      const box = boxOfCut(cut, imageSize, this.width, this.height);
      const { left, top, image } = whole ? { left: 0, top: 0, image: whole } : this.#regionOf(box)!;
      const [x1, y1, x2, y2] = box;
      if (x2 <= x1 || y2 <= y1) return undefined;
      return 'a' in cut
        ? cutAligned(image, cut, imageSize, [left, top])
        : pixels.face(image, [x1 - left, y1 - top, x2 - left, y2 - top], imageSize);
    });
    if (whole && whole !== this.#image) pixels.release(whole);
    return faces;
  }

  async #align(
    whole: RgbImage | undefined,
    cuts: readonly FaceCut[],
    imageSize: number,
    withThumbnail: boolean,
  ): Promise<AlignedFaces> {
    const faces = this.#cut(whole, cuts, imageSize);
    const files = await Promise.all(faces.map((face) => face && encodePng(face)));
    const first = faces[0];
    return {
      files,
      thumbnail: withThumbnail && first ? await createImageBitmap(toImageData(first)) : undefined,
    };
  }

  async #again(): Promise<RgbImage> {
    if (!this.#source) throw new Error('The pixels of this photo were given back.');
    return this.#source();
  }

  #regionOf([x1, y1, x2, y2]: CropBox): PhotoRegion | undefined {
    return this.#regions.find(
      ({ left, top, image }) =>
        x1 >= left && y1 >= top && x2 <= left + image.width && y2 <= top + image.height,
    );
  }
}

/** A photo's file: first its size and format, later its pixels, once there is room for them. */
export class PhotoFile {
  readonly inspected: InspectedImage;
  /** Kept until the digest has been computed. */
  #bytes: Uint8Array<ArrayBuffer> | undefined;

  private constructor(inspected: InspectedImage, bytes: Uint8Array<ArrayBuffer> | undefined) {
    this.inspected = inspected;
    this.#bytes = bytes;
  }

  /** @throws UnreadableImageError */
  static async inspect(blob: Blob, path: string): Promise<PhotoFile> {
    return photoClocks.decode.during(async () => {
      // Each read of a file is a message to another process, so most files are read once, as a whole.
      const bytes = blob.size <= READ_WHOLE_BYTES ? await readFileBytes(blob, path) : undefined;
      return new PhotoFile(await inspectImage(blob, path, bytes), bytes);
    });
  }

  get isLarge(): boolean {
    return isLarge(this.inspected);
  }

  get pixelCount(): number {
    return this.inspected.width * this.inspected.height;
  }

  decode(): Promise<RgbImage> {
    return decodeInspected(this.inspected);
  }

  async digest(): Promise<string> {
    const { blob, path } = this.inspected;
    const bytes = this.#bytes ?? (await readFileBytes(blob, path));
    this.#bytes = undefined;
    return sha256(bytes);
  }
}
