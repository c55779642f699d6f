/**
 * Convolutions with a window of 3 × 3 by Winograd's method F(2×2, 3×3) (Lavin and Gray, "Fast Algorithms for
 * Convolutional Neural Networks", 2016): four output pixels take sixteen products per channel instead of thirty-six.
 * Tiles of 4 × 4 input pixels are transformed into sixteen planes [tiles, channels], each plane is multiplied with its
 * matrix [channels, filters] by the kernel for 1 × 1 windows, and the products are transformed into 2 × 2 output
 * pixels. If a side is odd, its last tile begins one pixel earlier, so nothing beyond the image is read or written.
 */
import { f32x4, get, i32, repeatWhile, sequence, set, v128, type Code } from '../../webassembly/code.ts';
import type { ModuleWriter } from '../../webassembly/module.ts';
import { addConvolution, packWeights, type Convolution, type ConvolutionLayer } from './kernels.ts';

const FLOAT_BYTES = 4;
const VECTOR = 4;
const VECTOR_BYTES = 16;
const PLANES = 16;
const SIDE = [0, 1, 2, 3] as const;
/** The most tiles that are processed at a time, so that the values between the steps stay in the cache. */
const MOST_TILES = 64;

export interface WinogradLayer {
  /** A multiple of 4. */
  readonly channels: number;
  readonly filters: number;
  /** The tile of the kernel for the products; see ConvolutionLayer. */
  readonly tile: readonly [pixels: number, vectors: number];
}

/** Processes the tiles `from` to `to` of a row. `lastColumn` is the first output pixel of the last tile. */
type TransformTiles = (
  input: number,
  output: number,
  rowBytes: number,
  planeBytes: number,
  from: number,
  to: number,
  lastColumn: number,
  biases: number,
) => void;

export interface WinogradFunctions {
  readonly planes: TransformTiles;
  readonly products: Convolution;
  readonly pixels: TransformTiles;
}

const PARAMETERS = [
  'input',
  'output',
  'rowBytes',
  'planeBytes',
  'from',
  'to',
  'lastColumn',
  'biases',
] as const;

const { add, sub } = f32x4;

function productsLayer({ channels, filters, tile }: WinogradLayer): ConvolutionLayer {
  return { size: 1, channels, filters, tile, hasPrelu: false };
}

/** The exported functions have the name of the layer plus `Planes`, `Products` and `Pixels`. */
export function addWinograd(module: ModuleWriter, name: string, layer: WinogradLayer): void {
  const { channels, filters } = layer;
  const advance = (by: { index: number }, bytes: number): Code => set(by, i32.add(get(by), i32.const(bytes)));

  module.add(`${name}Planes`, PARAMETERS, (writer) => {
    const { input, output, rowBytes, planeBytes, from, to, lastColumn } = writer.parameters;
    const place = writer.integer();
    const rows = SIDE.map(() => writer.integer());
    const values = SIDE.map(() => SIDE.map(() => writer.vector()));
    const sums = SIDE.map(() => writer.vector());
    /** a − c, b + c, c − b, b − d */
    const transformed = ([a, b, c, d]: readonly Code[]): Code[] => [
      sub(a!, c!),
      add(b!, c!),
      sub(c!, b!),
      sub(b!, d!),
    ];
    const fourChannels = (first: number): Code =>
      sequence(
        ...rows.flatMap((row, y) =>
          SIDE.map((x) => set(values[y]![x]!, v128.load(get(row), (x * channels + first) * FLOAT_BYTES))),
        ),
        ...SIDE.map((x) =>
          sequence(
            ...transformed(values.map((row) => get(row[x]!))).map((sum, y) => set(sums[y]!, sum)),
            ...sums.map((sum, y) => set(values[y]![x]!, get(sum))),
          ),
        ),
        set(place, i32.add(get(output), i32.const(first * FLOAT_BYTES))),
        ...values.flatMap((row) =>
          transformed(row.map(get)).map((sum) =>
            sequence(v128.store(get(place), sum), set(place, i32.add(get(place), get(planeBytes)))),
          ),
        ),
      );
    return repeatWhile(
      i32.isLess(get(from), get(to)),
      sequence(
        set(place, i32.min(i32.mul(get(from), i32.const(2)), get(lastColumn))),
        set(rows[0]!, i32.add(get(input), i32.mul(get(place), i32.const(channels * FLOAT_BYTES)))),
        ...rows.slice(1).map((row, index) => set(row, i32.add(get(rows[index]!), get(rowBytes)))),
        ...Array.from({ length: channels / VECTOR }, (_, vector) => fourChannels(vector * VECTOR)),
        advance(output, channels * FLOAT_BYTES),
        advance(from, 1),
      ),
    );
  });

  addConvolution(module, `${name}Products`, productsLayer(layer));

  module.add(`${name}Pixels`, PARAMETERS, (writer) => {
    const { input, output, rowBytes, planeBytes, from, to, lastColumn, biases } = writer.parameters;
    const [place, upper, lower] = [writer.integer(), writer.integer(), writer.integer()];
    const loaded = SIDE.map(() => writer.vector());
    const sums = [0, 1].map(() => SIDE.map(() => writer.vector()));
    const result = writer.vector();
    /** a + b + c, b − c − d */
    const transformed = ([a, b, c, d]: readonly Code[]): [Code, Code] => [
      add(add(a!, b!), c!),
      sub(sub(b!, c!), d!),
    ];
    const fourFilters = (vector: number): Code =>
      sequence(
        ...SIDE.map((x) =>
          sequence(
            ...SIDE.map((y) =>
              sequence(
                set(place, i32.add(get(input), i32.mul(get(planeBytes), i32.const(4 * y + x)))),
                set(loaded[y]!, v128.load(get(place), vector * VECTOR_BYTES)),
              ),
            ),
            ...transformed(loaded.map(get)).map((sum, y) => set(sums[y]![x]!, sum)),
          ),
        ),
        ...[upper, lower].flatMap((row, y) =>
          transformed(sums[y]!.map(get)).map((sum, x) =>
            sequence(
              set(result, add(sum, v128.load(get(biases), vector * VECTOR_BYTES))),
              v128.store(
                get(row),
                add(
                  f32x4.max(get(result), v128.zero),
                  f32x4.mul(
                    f32x4.min(get(result), v128.zero),
                    v128.load(get(biases), filters * FLOAT_BYTES + vector * VECTOR_BYTES),
                  ),
                ),
                x * filters * FLOAT_BYTES + vector * VECTOR_BYTES,
              ),
            ),
          ),
        ),
      );
    return repeatWhile(
      i32.isLess(get(from), get(to)),
      sequence(
        set(place, i32.min(i32.mul(get(from), i32.const(2)), get(lastColumn))),
        set(upper, i32.add(get(output), i32.mul(get(place), i32.const(filters * FLOAT_BYTES)))),
        set(lower, i32.add(get(upper), get(rowBytes))),
        ...Array.from({ length: filters / VECTOR }, (_, vector) => fourFilters(vector)),
        advance(input, filters * FLOAT_BYTES),
        advance(from, 1),
      ),
    );
  });
}

/** The matrix of the window's transform: rows of the transformed window from rows of the window. */
const WINDOW_TRANSFORM = [
  [1, 0, 0],
  [0.5, 0.5, 0.5],
  [0.5, -0.5, 0.5],
  [0, 0, 1],
] as const;

/**
 * Packs biases, the PReLU's slopes, and the matrices of the planes in the order in which the kernel for the products
 * reads them.
 * @param weights [3, 3, channels, filters]
 */
export function packWinogradWeights(
  layer: WinogradLayer,
  weights: Float32Array,
  bias: Float32Array,
  slopes: Float32Array,
): Float32Array {
  const { channels, filters } = layer;
  const count = channels * filters;
  const noBias = new Float32Array(filters);
  const parts = [bias, slopes];
  for (const across of WINDOW_TRANSFORM)
    for (const along of WINDOW_TRANSFORM) {
      const plane = new Float32Array(count);
      for (let index = 0; index < count; index++) {
        let sum = 0;
        for (let y = 0; y < 3; y++)
          for (let x = 0; x < 3; x++) sum += across[y]! * along[x]! * weights[(3 * y + x) * count + index]!;
        plane[index] = sum;
      }
      parts.push(packWeights(productsLayer(layer), plane, noBias, undefined));
    }
  const packed = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    packed.set(part, at);
    at += part.length;
  }
  return packed;
}

/** The memory that `winograd` needs between its steps, bytes. */
export function winogradScratchBytes({ channels, filters }: WinogradLayer): number {
  return PLANES * MOST_TILES * (channels + filters) * FLOAT_BYTES;
}

/**
 * @param weights the address of the result of `packWinogradWeights`
 * @param rows rows of the input, at least 4 (`columns`: the same for columns)
 */
export function winograd(
  { planes, products, pixels }: WinogradFunctions,
  { channels, filters }: WinogradLayer,
  weights: number,
  scratch: number,
  input: number,
  output: number,
  rows: number,
  columns: number,
): void {
  const [lastRow, lastColumn] = [rows - 4, columns - 4];
  const [down, across] = [Math.ceil(rows / 2) - 1, Math.ceil(columns / 2) - 1];
  const inputRowBytes = columns * channels * FLOAT_BYTES;
  const outputRowBytes = (columns - 2) * filters * FLOAT_BYTES;
  const matrices = weights + 2 * filters * FLOAT_BYTES;
  // The kernel for the products also reads a bias.
  const matrixBytes = (channels + 1) * filters * FLOAT_BYTES;
  const rowsAtOnce = Math.max(1, Math.floor(MOST_TILES / across));
  for (let top = 0; top < down; top += rowsAtOnce)
    for (let from = 0; from < across; from += MOST_TILES) {
      const to = Math.min(from + MOST_TILES, across);
      const count = Math.min(rowsAtOnce, down - top);
      const tiles = count * (to - from);
      const planeBytes = tiles * channels * FLOAT_BYTES;
      const productBytes = tiles * filters * FLOAT_BYTES;
      const sums = scratch + PLANES * planeBytes;
      for (let row = 0; row < count; row++)
        planes(
          input + Math.min(2 * (top + row), lastRow) * inputRowBytes,
          scratch + row * (to - from) * channels * FLOAT_BYTES,
          inputRowBytes,
          planeBytes,
          from,
          to,
          lastColumn,
          0,
        );
      for (let plane = 0; plane < PLANES; plane++)
        products(
          scratch + plane * planeBytes,
          sums + plane * productBytes,
          matrices + plane * matrixBytes,
          1,
          tiles,
          0,
        );
      for (let row = 0; row < count; row++)
        pixels(
          sums + row * (to - from) * filters * FLOAT_BYTES,
          output + Math.min(2 * (top + row), lastRow) * outputRowBytes,
          outputRowBytes,
          productBytes,
          from,
          to,
          lastColumn,
          weights,
        );
    }
}
