/**
 * Makes levels of the pyramid, crops for the networks and aligned faces with the kernels of resize_kernels.ts.
 * crops.ts and align.ts define the results. A photo is copied into the memory of the kernels as a whole; a large one
 * in pieces of rows.
 */
import type { RgbImage } from '../../protocol/data/images.ts';
import { areaResizeWeights, type AxisWeights } from '../../files/images/resize_area.ts';
import { fixedWeights, type FixedWeights } from '../../files/images/resize_bilinear.ts';
import { KernelMemory } from '../../webassembly/memory.ts';
import { cropFace, type CropBox } from '../align.ts';
import type { Box } from '../boxes.ts';
import { levelSize, pyramidLevel, type Level } from '../crops.ts';
import { resizeModule, SPAN_BYTES, SUM_STEP, type ResizeKernels } from './resize_kernels.ts';

/** Kernels read and write slightly beyond the ends. */
const SLACK_BYTES = 64;
/** A larger memory is released after the photo. 4 megapixels with their largest level take as much. */
export const KEPT_BYTES = 32e6;
/** Photos with more bytes (16 megapixels) are copied piece by piece. */
const WHOLE_PHOTO_BYTES = 48e6;
/** The size of a piece of a large photo; more if one row of a result needs more rows. */
const PIECE_BYTES = 16e6;
const FLOAT_BYTES = 4;
const DOUBLE_BYTES = 8;

/** Access to rows of a photo (or of some of its columns) in the memory of the kernels. */
interface SourceRows {
  readonly rowBytes: number;
  /** The address of a row. The row and the next `count` − 1 rows stay in memory until the next call. */
  address(row: number, count?: number): number;
}

export interface PieceSizes {
  readonly wholePhotoBytes: number;
  readonly pieceBytes: number;
}

export class PhotoPixels {
  readonly #memory = new KernelMemory();
  readonly #sizes: PieceSizes;
  #kernels: ResizeKernels;
  /** The image whose pixels, or a piece of them, are at the beginning of the memory. */
  #image: RgbImage | undefined;
  #scratch = 0;

  constructor(sizes: PieceSizes = { wholePhotoBytes: WHOLE_PHOTO_BYTES, pieceBytes: PIECE_BYTES }) {
    this.#sizes = sizes;
    this.#kernels = this.#memory.instantiate(resizeModule()) as unknown as ResizeKernels;
  }

  get bytes(): number {
    return this.#memory.bytes;
  }

  /** Call this when the photo is no longer needed. */
  release(image: RgbImage): void {
    if (image === this.#image) this.#unload();
  }

  #unload(): void {
    this.#image = undefined;
    if (this.#memory.bytes > KEPT_BYTES) this.#kernels = this.#memory.renew() as unknown as ResizeKernels;
  }

  /** The same as `pyramidLevel`. */
  level(image: RgbImage, scale: number, from = 0, columns?: number): Level {
    const [wholeWidth, height] = levelSize(image, scale);
    const width = columns ?? wholeWidth - from;
    // Blocks of whole pixels are averaged in a different way.
    if (image.width % wholeWidth === 0 && image.height % height === 0)
      return pyramidLevel(image, scale, from, width);
    const { horizontal, vertical } = areaResizeWeights(image.width, image.height, wholeWidth, height);
    const last = from + width - 1;
    const left = horizontal.first[from]!;
    const right = horizontal.first[last]! + horizontal.count[last]!;
    const source = this.#open(image, left, right - left, 1);
    const kernels = this.#kernels;
    const rowBytes = roundUp(width * 3 * FLOAT_BYTES, 16);
    const weights = horizontal.weights.subarray(
      horizontal.offset[from],
      horizontal.offset[last]! + horizontal.count[last]!,
    );
    const [narrow, sums, spans, across, down, output] = this.#places(
      rowBytes,
      rowBytes,
      width * SPAN_BYTES,
      weights.byteLength,
      vertical.weights.byteLength,
      width * height * 3 * FLOAT_BYTES,
    );
    this.#writeSpans(spans, horizontal, 3, { from, columns: width, left });
    this.#memory.write(across, weights);
    this.#memory.write(down, vertical.weights);
    let narrowed = -1;
    for (let y = 0; y < height; y++) {
      for (let k = 0; k < vertical.count[y]!; k++) {
        const row = vertical.first[y]! + k;
        // Neighbouring target rows share a source row.
        if (row !== narrowed) kernels.narrowRow(source.address(row), spans, across, narrow, width);
        narrowed = row;
        const weight = down + (vertical.offset[y]! + k) * FLOAT_BYTES;
        if (k === 0) kernels.beginSums(narrow, weight, sums, rowBytes);
        else kernels.addToSums(narrow, weight, sums, rowBytes);
      }
      kernels.writeLevels(sums, output + y * 3 * FLOAT_BYTES, width, height * 3 * FLOAT_BYTES);
    }
    const at = output / FLOAT_BYTES;
    return { scale, width, height, values: this.#memory.floats.slice(at, at + width * height * 3) };
  }

  /** The same as `cropForNetwork`, but in doubles, and with rows summed before columns. */
  crop(image: RgbImage, box: Box, size: number, out: Float32Array): boolean {
    const width = box.x2 - box.x1 + 1;
    const height = box.y2 - box.y1 + 1;
    if (width < 1 || height < 1) return false;
    const [left, top] = [box.x1 - 1, box.y1 - 1];
    const fromX = Math.min(Math.max(left, 0), image.width);
    const toX = Math.max(Math.min(left + width, image.width), fromX);
    const { horizontal, vertical } = areaResizeWeights(width, height, size, size);
    const source = this.#open(image, fromX, toX - fromX, Math.max(...vertical.count));
    const kernels = this.#kernels;
    const [sums, spans, across, down, output] = this.#places(
      width * 3 * DOUBLE_BYTES,
      size * SPAN_BYTES,
      horizontal.weights.length * DOUBLE_BYTES,
      vertical.weights.length * DOUBLE_BYTES,
      size * size * 3 * FLOAT_BYTES,
    );
    const doubles = new Float64Array(this.#memory.memory.buffer);
    this.#writeSpans(spans, horizontal, 3 * DOUBLE_BYTES);
    doubles.set(horizontal.weights, across / DOUBLE_BYTES);
    doubles.set(vertical.weights, down / DOUBLE_BYTES);
    const sumsAt = sums / DOUBLE_BYTES;
    const inside = sumsAt + (fromX - left) * 3;
    const behind = inside + (toX - fromX) * 3;
    // Black by default, also beyond the photo.
    doubles.fill(0, sumsAt, sumsAt + width * 3 + SUM_STEP);
    for (let y = 0; y < size; y++) {
      const first = top + vertical.first[y]!;
      const begin = Math.max(first, 0);
      const end = Math.min(first + vertical.count[y]!, image.height);
      if (begin < end && fromX < toX) {
        kernels.sumRows(
          source.address(begin, end - begin),
          source.rowBytes,
          end - begin,
          down + (vertical.offset[y]! + begin - first) * DOUBLE_BYTES,
          inside * DOUBLE_BYTES,
          roundUp((toX - fromX) * 3, SUM_STEP),
        );
        // Clears the values that the last step wrote beyond the end of the crop.
        doubles.fill(0, behind, behind + SUM_STEP);
      } else doubles.fill(0, inside, behind);
      kernels.narrowSums(sums, spans, across, output + y * 3 * FLOAT_BYTES, size, size * 3 * FLOAT_BYTES);
    }
    const at = output / FLOAT_BYTES;
    out.set(this.#memory.floats.subarray(at, at + size * size * 3));
    return true;
  }

  /** The same as `cropFace`. */
  face(image: RgbImage, [x1, y1, x2, y2]: CropBox, imageSize: number): RgbImage | undefined {
    const [width, height] = [x2 - x1, y2 - y1];
    if (width < 1 || height < 1) return undefined;
    // Pillow skips a pass that would change nothing.
    if (width === imageSize || height === imageSize) return cropFace(image, [x1, y1, x2, y2], imageSize);
    const source = this.#open(image, x1, width, 1);
    const kernels = this.#kernels;
    const [horizontal, vertical] = [fixedWeights(width, imageSize), fixedWeights(height, imageSize)];
    const rowBytes = roundUp(imageSize * 3, 16);
    const [spans, across, down, narrow, output] = this.#places(
      imageSize * SPAN_BYTES,
      horizontal.weights.byteLength,
      vertical.weights.byteLength,
      height * rowBytes,
      imageSize * imageSize * 3,
    );
    this.#writeSpans(spans, horizontal, 3);
    const { buffer } = this.#memory.memory;
    new Int32Array(buffer, across).set(horizontal.weights);
    new Int32Array(buffer, down).set(vertical.weights);
    for (let y = 0; y < height; y++)
      kernels.narrowRowFixed(source.address(y1 + y), spans, across, narrow + y * rowBytes, imageSize);
    for (let y = 0; y < imageSize; y++)
      kernels.sumRowsFixed(
        narrow + vertical.first[y]! * rowBytes,
        rowBytes,
        vertical.count[y]!,
        down + vertical.offset[y]! * 4,
        output + y * imageSize * 3,
        rowBytes,
      );
    const data = new Uint8Array(buffer, output, imageSize * imageSize * 3).slice();
    return { width: imageSize, height: imageSize, data };
  }

  /**
   * Gives kernels access to columns of a photo.
   * @param rowsAtOnce the largest `count` for calls of `address`
   */
  #open(image: RgbImage, left: number, width: number, rowsAtOnce: number): SourceRows {
    if (image.data.length > this.#sizes.wholePhotoBytes)
      return this.#openPieces(image, left, width, rowsAtOnce);
    this.#load(image);
    const rowBytes = image.width * 3;
    return { rowBytes, address: (row) => row * rowBytes + left * 3 };
  }

  #openPieces(image: RgbImage, left: number, width: number, rowsAtOnce: number): SourceRows {
    const rowBytes = width * 3;
    const wanted = Math.max(rowsAtOnce, Math.floor(this.#sizes.pieceBytes / Math.max(rowBytes, 1)));
    const capacity = Math.min(image.height, wanted);
    if (image !== this.#image) this.#unload();
    this.#image = image;
    this.#scratch = roundUp(capacity * rowBytes + SLACK_BYTES, 16);
    this.#memory.reserve(this.#scratch);
    let [first, end] = [0, 0];
    const address = (row: number, count = 1): number => {
      if (row < first || row + count > end) {
        [first, end] = [row, Math.min(row + capacity, image.height)];
        const bytes = new Uint8Array(this.#memory.memory.buffer);
        for (let y = first; y < end; y++) {
          const from = (y * image.width + left) * 3;
          bytes.set(image.data.subarray(from, from + rowBytes), (y - first) * rowBytes);
        }
      }
      return (row - first) * rowBytes;
    };
    return { rowBytes, address };
  }

  #load(image: RgbImage): void {
    if (image === this.#image) return;
    this.#unload();
    this.#scratch = roundUp(image.data.length + SLACK_BYTES, 16);
    this.#memory.reserve(this.#scratch);
    new Uint8Array(this.#memory.memory.buffer).set(image.data);
    this.#image = image;
  }

  /**
   * @param pixelBytes bytes per pixel of the source
   * @param part the part of the target, and the first source column in memory
   */
  #writeSpans(
    address: number,
    { first, count }: AxisWeights | FixedWeights,
    pixelBytes: number,
    { from, columns, left } = { from: 0, columns: first.length, left: 0 },
  ): void {
    const spans = new Int32Array(this.#memory.memory.buffer, address, 2 * columns);
    for (let index = 0; index < columns; index++) {
      spans[2 * index] = (first[from + index]! - left) * pixelBytes;
      spans[2 * index + 1] = count[from + index]!;
    }
  }

  /** Reserves memory after the photo. @returns one address per requested number of bytes */
  #places<const Sizes extends readonly number[]>(...sizes: Sizes): { [Index in keyof Sizes]: number } {
    let address = this.#scratch;
    const addresses = sizes.map((size) => {
      const at = address;
      address += roundUp(size + SLACK_BYTES, 16);
      return at;
    });
    this.#memory.reserve(address);
    return addresses as { [Index in keyof Sizes]: number };
  }
}

function roundUp(value: number, to: number): number {
  return Math.ceil(value / to) * to;
}
