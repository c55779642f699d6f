/**
 * A decoded photo and everything that alignment asks of its pixels: levels of the pyramid, crops for the networks,
 * aligned faces. All of it is plain work for a processor, so that photos live in a pool of workers (see
 * jobs/photo_pool.ts) while another one runs the networks.
 */
import { decodePhoto, encodePng, toImageData, type DecodedPhoto } from '../dataset/decode.ts';
import type { RgbImage } from '../dataset/image.ts';
import { cropFace, type CropBox } from './align.ts';
import type { Box } from './boxes.ts';
import { cropForNetwork, pyramidLevel, pyramidScales, type Level } from './crops.ts';

export interface PyramidOptions {
  /** The smallest face to look for, pixels of the photo. */
  readonly minsize: number;
  readonly factor: number;
}

/** What the cascade needs of a photo; boxes are in the pixels of `width` × `height`. */
export interface CascadePhoto {
  readonly width: number;
  readonly height: number;
  readonly levels: readonly Level[];
  /** @returns [boxes, size, size, 3], transposed and normalised; zero for boxes without area */
  crops(boxes: readonly Box[], size: number): Promise<Float32Array>;
}

export interface AlignedFaces {
  /** A PNG file a box; undefined for a box without area. */
  readonly files: readonly (Blob | undefined)[];
  /** Of the first box. */
  readonly thumbnail?: ImageBitmap | undefined;
}

/** The smallest face that the cascade can look for without enlarging the photo. */
const CELL_PX = 12;

export class Photo implements CascadePhoto {
  readonly width: number;
  readonly height: number;
  /** The photo's own size, where it was reduced to be decoded. */
  readonly originalWidth: number;
  readonly originalHeight: number;
  readonly levels: readonly Level[];
  readonly #image: RgbImage;

  constructor(decoded: DecodedPhoto, options: PyramidOptions) {
    const { image } = decoded;
    this.#image = image;
    this.width = image.width;
    this.height = image.height;
    this.originalWidth = decoded.width;
    this.originalHeight = decoded.height;
    const reduction = image.width / decoded.width;
    const minsize = reduction < 1 ? Math.max(options.minsize * reduction, CELL_PX) : options.minsize;
    this.levels = pyramidScales(image.width, image.height, minsize, options.factor).map((scale) =>
      pyramidLevel(image, scale),
    );
  }

  /** @throws UnreadableImageError */
  static async open(blob: Blob, path: string, options: PyramidOptions): Promise<Photo> {
    return new Photo(await decodePhoto(blob, path), options);
  }

  static of(image: RgbImage, options: PyramidOptions): Photo {
    return new Photo({ image, width: image.width, height: image.height }, options);
  }

  async crops(boxes: readonly Box[], size: number): Promise<Float32Array<ArrayBuffer>> {
    const length = size * size * 3;
    const values = new Float32Array(boxes.length * length);
    boxes.forEach((box, index) =>
      cropForNetwork(this.#image, box, size, values.subarray(index * length, (index + 1) * length)),
    );
    return values;
  }

  /** @param boxes in the photo's own pixels */
  async align(boxes: readonly CropBox[], imageSize: number, withThumbnail: boolean): Promise<AlignedFaces> {
    const faces = boxes.map((box) => cropFace(this.#image, this.#reduced(box), imageSize));
    const files = await Promise.all(faces.map((face) => (face ? encodePng(face) : undefined)));
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
