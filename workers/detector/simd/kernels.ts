/**
 * The layers of the networks as WebAssembly kernels: one function per layer, written for its sizes. Images are [rows,
 * columns, channels]; a vector holds four channels of a pixel. A convolution keeps a tile of pixels × channels in the
 * sixteen vector registers of the CPU while it passes over the window. Each loaded weight serves all pixels of the
 * tile, and each loaded value serves all its channels.
 */
import {
  f32x4,
  get,
  i32,
  ifElse,
  repeatWhile,
  sequence,
  set,
  v128,
  type Code,
  type Local,
} from '../../webassembly/code.ts';
import type { FunctionWriter, ModuleWriter } from '../../webassembly/module.ts';

const FLOAT_BYTES = 4;
const VECTOR = 4;
const VECTOR_BYTES = 16;
/** Loops over at most this many values of a window are unrolled. */
const LONGEST_UNROLLED = 6;

export interface ConvolutionLayer {
  /** Side of the square window. */
  readonly size: number;
  readonly channels: number;
  readonly filters: number;
  readonly hasPrelu: boolean;
  /**
   * Pixels and vectors of filters in a tile. Fifteen registers are free. Browsers keep sums in registers only if
   * pixels × vectors, the weights of one step and two more values fit: 3 × 3, 4 × 2 and 2 × 4 do, and are twice as
   * fast as 3 × 4.
   */
  readonly tile: readonly [pixels: number, vectors: number];
}

/** Number of whole vectors for a number of filters. */
export function vectorsOf(filters: number): number {
  return Math.ceil(filters / VECTOR);
}

/** The numbers of filter vectors that are computed together, block by block. */
function blocksOf({ filters, tile: [, most] }: ConvolutionLayer): number[] {
  const vectors = vectorsOf(filters);
  const blocks = new Array<number>(Math.floor(vectors / most)).fill(most);
  return vectors % most === 0 ? blocks : [...blocks, vectors % most];
}

/**
 * Packs weights in the order in which the kernel reads them: for each block its biases, its PReLU's slopes, its
 * weights.
 * @param weights [size, size, channels, filters]
 */
export function packWeights(
  layer: ConvolutionLayer,
  weights: Float32Array,
  bias: Float32Array,
  slopes: Float32Array | undefined,
): Float32Array {
  const { size, channels, filters } = layer;
  const blocks = blocksOf(layer);
  const packed = new Float32Array(
    blocks.reduce((sum, vectors) => sum + blockBytes(layer, vectors) / FLOAT_BYTES, 0),
  );
  let first = 0;
  let to = 0;
  for (const vectors of blocks) {
    const width = vectors * VECTOR;
    const filled = Math.min(width, filters - first);
    const put = (values: Float32Array, at: number): void => {
      packed.set(values.subarray(at + first, at + first + filled), to);
      to += width;
    };
    put(bias, 0);
    if (slopes) put(slopes, 0);
    for (let tap = 0; tap < size * size * channels; tap++) put(weights, tap * filters);
    first += width;
  }
  return packed;
}

const CONVOLUTION_PARAMETERS = ['input', 'output', 'weights', 'rows', 'columns', 'inputRowBytes'] as const;
type ConvolutionParameter = (typeof CONVOLUTION_PARAMETERS)[number];

/** The exported function of a convolution. Rows and columns are those of the output, at least one. */
export type Convolution = (
  input: number,
  output: number,
  weights: number,
  rows: number,
  columns: number,
  inputRowBytes: number,
) => void;

/** @param pixelBytes bytes per output pixel; a vector that reaches further is overwritten by the next pixel */
export function addConvolution(
  module: ModuleWriter,
  name: string,
  layer: ConvolutionLayer,
  pixelBytes = layer.filters * FLOAT_BYTES,
): void {
  module.add(name, CONVOLUTION_PARAMETERS, (writer) => {
    const { columns, rows, input, output, weights, inputRowBytes } = writer.parameters;
    const [pixels] = layer.tile;
    const row = writer.integer();
    const inputRow = writer.integer();
    const outputRow = writer.integer();
    const [block, blockOutput] = [writer.integer(), writer.integer()];
    const writeBlocks = (vectors: number, count: number): Code => {
      const tileRow = (tilePixels: number): Code =>
        writeTileRow(writer, { ...layer, tile: [tilePixels, vectors] }, inputRow, outputRow, pixelBytes);
      return sequence(
        set(block, i32.const(count)),
        repeatWhile(
          i32.isDifferent(get(block), i32.const(0)),
          sequence(
            set(row, get(rows)),
            set(inputRow, get(input)),
            set(outputRow, get(blockOutput)),
            repeatWhile(
              i32.isDifferent(get(row), i32.const(0)),
              sequence(
                ifElse(i32.isLess(get(columns), i32.const(pixels)), tileRow(1), tileRow(pixels)),
                set(inputRow, i32.add(get(inputRow), get(inputRowBytes))),
                set(outputRow, i32.add(get(outputRow), i32.mul(get(columns), i32.const(pixelBytes)))),
                set(row, i32.sub(get(row), i32.const(1))),
              ),
            ),
            set(weights, i32.add(get(weights), i32.const(blockBytes(layer, vectors)))),
            set(blockOutput, i32.add(get(blockOutput), i32.const(vectors * VECTOR_BYTES))),
            set(block, i32.sub(get(block), i32.const(1))),
          ),
        ),
      );
    };
    const blocks = blocksOf(layer);
    const whole = blocks.filter((vectors) => vectors === blocks[0]).length;
    return sequence(
      set(blockOutput, get(output)),
      writeBlocks(blocks[0]!, whole),
      ...blocks.slice(whole).map((vectors) => writeBlocks(vectors, 1)),
    );
  });
}

function blockBytes({ size, channels, hasPrelu }: ConvolutionLayer, vectors: number): number {
  return (size * size * channels + (hasPrelu ? 2 : 1)) * vectors * VECTOR_BYTES;
}

/** Writes the tiles of a row. The last tile ends with the row, so it may overlap the one before it. */
function writeTileRow(
  writer: FunctionWriter<ConvolutionParameter>,
  layer: ConvolutionLayer,
  inputRow: Local,
  outputRow: Local,
  pixelBytes: number,
): Code {
  const { columns } = writer.parameters;
  const [pixels] = layer.tile;
  const column = writer.integer();
  const input = writer.integer();
  const output = writer.integer();
  return sequence(
    set(column, i32.const(0)),
    repeatWhile(
      i32.isLess(get(column), get(columns)),
      sequence(
        set(column, i32.min(get(column), i32.sub(get(columns), i32.const(pixels)))),
        set(input, i32.add(get(inputRow), i32.mul(get(column), i32.const(layer.channels * FLOAT_BYTES)))),
        set(output, i32.add(get(outputRow), i32.mul(get(column), i32.const(pixelBytes)))),
        writeTile(writer, layer, input, output, pixelBytes),
        set(column, i32.add(get(column), i32.const(pixels))),
      ),
    ),
  );
}

function writeTile(
  writer: FunctionWriter<ConvolutionParameter>,
  layer: ConvolutionLayer,
  input: Local,
  output: Local,
  pixelBytes: number,
): Code {
  const { size, channels, hasPrelu } = layer;
  const [pixels, vectors] = layer.tile;
  const { weights, inputRowBytes } = writer.parameters;
  const sums = Array.from({ length: pixels * vectors }, () => writer.vector());
  const loaded = Array.from({ length: vectors }, () => writer.vector());
  const value = writer.vector();
  const windowRow = writer.integer();
  const at = writer.integer();
  const end = writer.integer();
  const weight = writer.integer();
  const rowValues = size * channels;
  const unrolled = largestDivisor(rowValues, LONGEST_UNROLLED);
  // Two instructions: the fused one of relaxed SIMD is not faster here, and its rounding depends on the machine.
  const multiplyAdd = (sum: Local, other: Local): Code =>
    set(sum, f32x4.add(get(sum), f32x4.mul(get(value), get(other))));
  const steps = Array.from({ length: unrolled }, (_, step) =>
    sequence(
      ...loaded.map((vector, index) =>
        set(vector, v128.load(get(weight), (step * vectors + index) * VECTOR_BYTES)),
      ),
      ...Array.from({ length: pixels }, (_unused, pixel) =>
        sequence(
          set(value, v128.loadSplat32(get(at), (pixel * channels + step) * FLOAT_BYTES)),
          ...loaded.map((vector, index) => multiplyAdd(sums[pixel * vectors + index]!, vector)),
        ),
      ),
    ),
  );
  const advance = (by: Local, bytes: number): Code => set(by, i32.add(get(by), i32.const(bytes)));
  const body = sequence(
    ...steps,
    advance(at, unrolled * FLOAT_BYTES),
    advance(weight, unrolled * vectors * VECTOR_BYTES),
  );
  const rowBytes = rowValues * FLOAT_BYTES;
  const wholeRow =
    unrolled === rowValues
      ? body
      : sequence(
          set(end, i32.add(get(at), i32.const(rowBytes))),
          repeatWhile(i32.isDifferent(get(at), get(end)), body),
        );
  const headBytes = (hasPrelu ? 2 : 1) * vectors * VECTOR_BYTES;
  return sequence(
    ...sums.map((sum, index) => set(sum, v128.load(get(weights), (index % vectors) * VECTOR_BYTES))),
    set(weight, i32.add(get(weights), i32.const(headBytes))),
    set(at, get(input)),
    size === 1
      ? wholeRow
      : sequence(
          set(windowRow, i32.const(size)),
          repeatWhile(
            i32.isDifferent(get(windowRow), i32.const(0)),
            sequence(
              wholeRow,
              set(at, i32.add(get(at), i32.sub(get(inputRowBytes), i32.const(rowBytes)))),
              set(windowRow, i32.sub(get(windowRow), i32.const(1))),
            ),
          ),
        ),
    // Pixel by pixel; see pixelBytes.
    ...sums.map((sum, index) => {
      const vector = index % vectors;
      const pixel = (index - vector) / vectors;
      const slope = v128.load(get(weights), (vectors + vector) * VECTOR_BYTES);
      const activated = hasPrelu
        ? f32x4.add(f32x4.max(get(sum), v128.zero), f32x4.mul(f32x4.min(get(sum), v128.zero), slope))
        : get(sum);
      return v128.store(get(output), activated, pixel * pixelBytes + vector * VECTOR_BYTES);
    }),
  );
}

function largestDivisor(of: number, most: number): number {
  let divisor = Math.min(of, most);
  while (of % divisor !== 0) divisor--;
  return divisor;
}

export interface PoolLayer {
  readonly size: number;
  readonly channels: number;
}

const POOL_PARAMETERS = ['input', 'output', 'rows', 'columns', 'outputRows', 'outputColumns'] as const;

/** The exported function of a pool. Rows and columns are those of the input. */
export type Pool = (
  input: number,
  output: number,
  rows: number,
  columns: number,
  outputRows: number,
  outputColumns: number,
) => void;

/** The largest values of windows at every second pixel. Windows are cut off at the end of the image. */
export function addMaxPool(module: ModuleWriter, name: string, { size, channels }: PoolLayer): void {
  module.add(name, POOL_PARAMETERS, (writer) => {
    const { input, output, rows, columns, outputRows, outputColumns } = writer.parameters;
    const row = writer.integer();
    const column = writer.integer();
    const pixelBytes = channels * FLOAT_BYTES;
    const starts = Array.from({ length: size }, () => writer.integer());
    const offsets = Array.from({ length: size }, () => writer.integer());
    const place = writer.integer();
    // Reading a pixel twice does not change the maximum.
    const clamped = (index: Local, shift: number, count: Local): Code =>
      sequence(
        set(place, i32.add(i32.mul(get(index), i32.const(2)), i32.const(shift))),
        set(place, i32.min(get(place), i32.sub(get(count), i32.const(1)))),
      );
    const largest = (vector: number): Code =>
      starts
        .flatMap((start) => offsets.map((offset) => i32.add(get(start), get(offset))))
        .map((address) => v128.load(address, vector * VECTOR_BYTES))
        .reduce((a, b) => f32x4.max(a, b));
    const pixel = sequence(
      ...offsets.map((offset, index) =>
        sequence(clamped(column, index, columns), set(offset, i32.mul(get(place), i32.const(pixelBytes)))),
      ),
      ...Array.from({ length: vectorsOf(channels) }, (_, vector) =>
        v128.store(get(output), largest(vector), vector * VECTOR_BYTES),
      ),
      set(output, i32.add(get(output), i32.const(pixelBytes))),
      set(column, i32.add(get(column), i32.const(1))),
    );
    return sequence(
      set(row, i32.const(0)),
      repeatWhile(
        i32.isLess(get(row), get(outputRows)),
        sequence(
          ...starts.map((start, index) =>
            sequence(
              clamped(row, index, rows),
              set(
                start,
                i32.add(get(input), i32.mul(get(place), i32.mul(get(columns), i32.const(pixelBytes)))),
              ),
            ),
          ),
          set(column, i32.const(0)),
          repeatWhile(i32.isLess(get(column), get(outputColumns)), pixel),
          set(row, i32.add(get(row), i32.const(1))),
        ),
      ),
    );
  });
}
