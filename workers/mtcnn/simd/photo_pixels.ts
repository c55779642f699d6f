/** Levels of the pyramid, crops for the networks and aligned faces, made by the kernels of resize_kernels.ts; see crops.ts and align.ts for what they are. */
import type { RgbImage } from '../../dataset/image.ts';
import { areaResizeWeights, type AxisWeights } from '../../dataset/resize_area.ts';
import { fixedWeights, type FixedWeights } from '../../dataset/resize_bilinear.ts';
import { KernelMemory } from '../../webassembly/memory.ts';
import { cropFace, type CropBox } from '../align.ts';
import type { Box } from '../boxes.ts';
import { pyramidLevel, type Level } from '../crops.ts';
import { resizeModule, SPAN_BYTES, SUM_STEP, type ResizeKernels } from './resize_kernels.ts';

/** Kernels read and write a little beyond the ends. */
const SLACK_BYTES = 64;
/** More than this is given back when a photo is done with; 4 megapixels with their largest level take as much. */
export const KEPT_BYTES = 32e6;
const FLOAT_BYTES = 4;
const DOUBLE_BYTES = 8;

export class PhotoPixels {
  readonly #memory = new KernelMemory();
  #kernels: ResizeKernels;
  /** Its pixels are at the memory's beginning. */
  #image: RgbImage | undefined;
  #scratch = 0;

  constructor() {
    this.#kernels = this.#memory.instantiate(resizeModule()) as unknown as ResizeKernels;
  }

  get bytes(): number {
    return this.#memory.bytes;
  }

  /** The photo is done with. */
  release(image: RgbImage): void {
    if (image === this.#image) this.#unload();
  }

  #unload(): void {
    this.#image = undefined;
    if (this.#memory.bytes > KEPT_BYTES) this.#kernels = this.#memory.renew() as unknown as ResizeKernels;
  }

  /** As `pyramidLevel`. */
  level(image: RgbImage, scale: number): Level {
    const width = Math.ceil(image.width * scale);
    const height = Math.ceil(image.height * scale);
    // Whole numbers of pixels are averaged in another way.
    if (image.width % width === 0 && image.height % height === 0) return pyramidLevel(image, scale);
    this.#load(image);
    const kernels = this.#kernels;
    const { horizontal, vertical } = areaResizeWeights(image.width, image.height, width, height);
    const rowBytes = roundUp(width * 3 * FLOAT_BYTES, 16);
    const [narrow, sums, spans, across, down, output] = this.#places(
      rowBytes,
      rowBytes,
      width * SPAN_BYTES,
      horizontal.weights.byteLength,
      vertical.weights.byteLength,
      width * height * 3 * FLOAT_BYTES,
    );
    this.#writeSpans(spans, horizontal, 3);
    this.#memory.write(across, horizontal.weights);
    this.#memory.write(down, vertical.weights);
    let narrowed = -1;
    for (let y = 0; y < height; y++) {
      for (let k = 0; k < vertical.count[y]!; k++) {
        const row = vertical.first[y]! + k;
        // Neighbouring target rows share a source row.
        if (row !== narrowed) kernels.narrowRow(row * image.width * 3, spans, across, narrow, width);
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

  /** As `cropForNetwork`: the rows are summed before the columns, in doubles. */
  crop(image: RgbImage, box: Box, size: number, out: Float32Array): boolean {
    const width = box.x2 - box.x1 + 1;
    const height = box.y2 - box.y1 + 1;
    if (width < 1 || height < 1) return false;
    this.#load(image);
    const kernels = this.#kernels;
    const [left, top] = [box.x1 - 1, box.y1 - 1];
    const fromX = Math.min(Math.max(left, 0), image.width);
    const toX = Math.max(Math.min(left + width, image.width), fromX);
    const { horizontal, vertical } = areaResizeWeights(width, height, size, size);
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
    // Black, also where the photo ends.
    doubles.fill(0, sumsAt, sumsAt + width * 3 + SUM_STEP);
    for (let y = 0; y < size; y++) {
      const first = top + vertical.first[y]!;
      const begin = Math.max(first, 0);
      const end = Math.min(first + vertical.count[y]!, image.height);
      if (begin < end && fromX < toX) {
        kernels.sumRows(
          (begin * image.width + fromX) * 3,
          image.width * 3,
          end - begin,
          down + (vertical.offset[y]! + begin - first) * DOUBLE_BYTES,
          inside * DOUBLE_BYTES,
          roundUp((toX - fromX) * 3, SUM_STEP),
        );
        // What the last step took beyond the crop's end.
        doubles.fill(0, behind, behind + SUM_STEP);
      } else doubles.fill(0, inside, behind);
      kernels.narrowSums(sums, spans, across, output + y * 3 * FLOAT_BYTES, size, size * 3 * FLOAT_BYTES);
    }
    const at = output / FLOAT_BYTES;
    out.set(this.#memory.floats.subarray(at, at + size * size * 3));
    return true;
  }

  /** As `cropFace`. */
  face(image: RgbImage, [x1, y1, x2, y2]: CropBox, imageSize: number): RgbImage | undefined {
    const [width, height] = [x2 - x1, y2 - y1];
    if (width < 1 || height < 1) return undefined;
    // Pillow leaves out a pass that would change nothing.
    if (width === imageSize || height === imageSize) return cropFace(image, [x1, y1, x2, y2], imageSize);
    this.#load(image);
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
    for (let y = 0; y < height; y++) {
      const row = ((y1 + y) * image.width + x1) * 3;
      kernels.narrowRowFixed(row, spans, across, narrow + y * rowBytes, imageSize);
    }
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

  #load(image: RgbImage): void {
    if (image === this.#image) return;
    this.#unload();
    this.#scratch = roundUp(image.data.length + SLACK_BYTES, 16);
    this.#memory.reserve(this.#scratch);
    new Uint8Array(this.#memory.memory.buffer).set(image.data);
    this.#image = image;
  }

  /** @param pixelBytes of the source */
  #writeSpans(address: number, { first, count }: AxisWeights | FixedWeights, pixelBytes: number): void {
    const spans = new Int32Array(this.#memory.memory.buffer, address, 2 * first.length);
    for (let index = 0; index < first.length; index++) {
      spans[2 * index] = first[index]! * pixelBytes;
      spans[2 * index + 1] = count[index]!;
    }
  }

  /** Addresses behind the photo for so many bytes each. */
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
