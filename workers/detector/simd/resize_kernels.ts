/**
 * The resizes of files/images/resize_area.ts and files/images/resize_bilinear.ts as WebAssembly kernels. One call
 * handles a row or a part of one. A vector holds the channels of a pixel, and one unused value of its neighbour. The
 * sums are those of the plain code. Single-precision sums have the same order, so levels are bit-identical.
 * Double-precision sums, for crops, have another order, which sometimes changes the last bit of a single-precision
 * result.
 */
import { PRECISION_BITS } from '../../files/images/resize_bilinear.ts';
import {
  f32x4,
  f64x2,
  get,
  i16x8,
  i32,
  i32x4,
  repeatWhile,
  sequence,
  set,
  v128,
  type Code,
  type Local,
} from '../../webassembly/code.ts';
import { ModuleWriter, type FunctionWriter } from '../../webassembly/module.ts';

/**
 * One entry per target pixel: the address of its first source pixel within the row, and the number of source pixels.
 */
export const SPAN_BYTES = 8;
/** Number of source values that `sumRows` processes at once. */
export const SUM_STEP = 8;

export interface ResizeKernels {
  /**
   * Narrows a row of bytes: the weighted sum of the source pixels of each of `pixels` spans, in single precision.
   * Writes 4 bytes beyond the pixels.
   */
  narrowRow(row: number, spans: number, weights: number, output: number, pixels: number): void;
  /** sums = row · weight, or sums += row · weight; `bytes` is a multiple of 16. */
  beginSums(row: number, weight: number, sums: number, bytes: number): void;
  addToSums(row: number, weight: number, sums: number, bytes: number): void;
  /** Rounds to whole grey levels and normalises them. Pixels have a distance of `pixelBytes`. */
  writeLevels(sums: number, output: number, pixels: number, pixelBytes: number): void;
  /** The weighted sums of `rows` rows of bytes at a distance of `rowBytes`, in doubles. `values` is a multiple of 8. */
  sumRows(
    first: number,
    rowBytes: number,
    rows: number,
    weights: number,
    output: number,
    values: number,
  ): void;
  /** Narrows a row of doubles like `narrowRow`, and normalises it. Pixels have a distance of `pixelBytes`. */
  narrowSums(
    row: number,
    spans: number,
    weights: number,
    output: number,
    pixels: number,
    pixelBytes: number,
  ): void;
  /** Like `narrowRow`, with fixed-point weights, to bytes. */
  narrowRowFixed(row: number, spans: number, weights: number, output: number, pixels: number): void;
  /** Like `sumRows`, with fixed-point weights, to bytes. `bytes` is a multiple of 16. */
  sumRowsFixed(
    first: number,
    rowBytes: number,
    rows: number,
    weights: number,
    output: number,
    bytes: number,
  ): void;
}

const advance = (local: Local, bytes: number): Code => set(local, i32.add(get(local), i32.const(bytes)));
const countDown = (local: Local): Code => set(local, i32.sub(get(local), i32.const(1)));
const isLeft = (local: Local): Code => i32.isDifferent(get(local), i32.const(0));

export function resizeModule(): Uint8Array<ArrayBuffer> {
  const module = new ModuleWriter();
  module.add('narrowRow', ['row', 'spans', 'weights', 'output', 'pixels'], (writer) => {
    const { row, spans, weights, output, pixels } = writer.parameters;
    const sum = writer.vector();
    return eachSpan(writer, { row, spans, weights, pixels }, 3, 4, {
      begin: set(sum, v128.zero),
      add: (at) =>
        set(
          sum,
          f32x4.add(
            get(sum),
            f32x4.mul(
              f32x4.fromIntegers(i32x4.extendLow(i16x8.extendLowBytes(v128.loadZero32(get(at))))),
              v128.loadSplat32(get(weights)),
            ),
          ),
        ),
      end: sequence(v128.store(get(output), get(sum)), advance(output, 12)),
    });
  });
  for (const isFirst of [true, false])
    module.add(isFirst ? 'beginSums' : 'addToSums', ['row', 'weight', 'sums', 'bytes'], (writer) => {
      const { row, weight, sums, bytes } = writer.parameters;
      const factor = writer.vector();
      const product = f32x4.mul(v128.load(get(row)), get(factor));
      return sequence(
        set(factor, v128.loadSplat32(get(weight))),
        repeatWhile(
          isLeft(bytes),
          sequence(
            v128.store(get(sums), isFirst ? product : f32x4.add(v128.load(get(sums)), product)),
            advance(row, 16),
            advance(sums, 16),
            advance(bytes, -16),
          ),
        ),
      );
    });
  module.add('writeLevels', ['sums', 'output', 'pixels', 'pixelBytes'], (writer) => {
    const { sums, output, pixels, pixelBytes } = writer.parameters;
    const levels = writer.vector();
    return repeatWhile(
      isLeft(pixels),
      sequence(
        set(
          levels,
          f32x4.mul(
            f32x4.sub(f32x4.nearest(v128.load(get(sums))), f32x4.splat(127.5)),
            f32x4.splat(0.0078125),
          ),
        ),
        v128.storeLane64(get(output), get(levels), 0),
        v128.storeLane32(get(output), get(levels), 2, 8),
        advance(sums, 12),
        set(output, i32.add(get(output), get(pixelBytes))),
        countDown(pixels),
      ),
    );
  });
  module.add('sumRows', ['first', 'rowBytes', 'rows', 'weights', 'output', 'values'], (writer) => {
    const { first, rowBytes, rows, weights, output, values } = writer.parameters;
    const sums = Array.from({ length: SUM_STEP / 2 }, () => writer.vector());
    const [words, factor] = [writer.vector(), writer.vector()];
    const [at, left, weight] = [writer.integer(), writer.integer(), writer.integer()];
    const add = (sum: Local | undefined, pair: Code): Code =>
      set(sum!, f64x2.add(get(sum!), f64x2.mul(f64x2.fromIntegers(pair), get(factor))));
    const [low, high] = [i32x4.extendLow(get(words)), i32x4.extendHigh(get(words))];
    return repeatWhile(
      isLeft(values),
      sequence(
        ...sums.map((sum) => set(sum, v128.zero)),
        set(at, get(first)),
        set(left, get(rows)),
        set(weight, get(weights)),
        repeatWhile(
          isLeft(left),
          sequence(
            set(words, i16x8.extendLowBytes(v128.loadZero64(get(at)))),
            set(factor, v128.loadSplat64(get(weight))),
            add(sums[0], low),
            add(sums[1], v128.upperHalf(low)),
            add(sums[2], high),
            add(sums[3], v128.upperHalf(high)),
            set(at, i32.add(get(at), get(rowBytes))),
            advance(weight, 8),
            countDown(left),
          ),
        ),
        ...sums.map((sum, index) => v128.store(get(output), get(sum), index * 16)),
        advance(output, SUM_STEP * 8),
        advance(first, SUM_STEP),
        advance(values, -SUM_STEP),
      ),
    );
  });
  module.add('narrowSums', ['row', 'spans', 'weights', 'output', 'pixels', 'pixelBytes'], (writer) => {
    const { row, spans, weights, output, pixels, pixelBytes } = writer.parameters;
    const [pair, third, factor] = [writer.vector(), writer.vector(), writer.vector()];
    const normalized = (sum: Local): Code =>
      f32x4.fromDoubles(f64x2.mul(f64x2.sub(get(sum), f64x2.splat(127.5)), f64x2.splat(0.0078125)));
    return eachSpan(writer, { row, spans, weights, pixels }, 24, 8, {
      begin: sequence(set(pair, v128.zero), set(third, v128.zero)),
      add: (at) =>
        sequence(
          set(factor, v128.loadSplat64(get(weights))),
          set(pair, f64x2.add(get(pair), f64x2.mul(v128.load(get(at)), get(factor)))),
          set(third, f64x2.add(get(third), f64x2.mul(v128.loadZero64(get(at), 16), get(factor)))),
        ),
      end: sequence(
        v128.storeLane64(get(output), normalized(pair), 0),
        v128.storeLane32(get(output), normalized(third), 0, 8),
        set(output, i32.add(get(output), get(pixelBytes))),
      ),
    });
  });
  const half = i32x4.splat(2 ** (PRECISION_BITS - 1));
  const whole = (sum: Local): Code => i32x4.shiftRight(get(sum), PRECISION_BITS);
  module.add('narrowRowFixed', ['row', 'spans', 'weights', 'output', 'pixels'], (writer) => {
    const { row, spans, weights, output, pixels } = writer.parameters;
    const sum = writer.vector();
    return eachSpan(writer, { row, spans, weights, pixels }, 3, 4, {
      begin: set(sum, half),
      add: (at) =>
        set(
          sum,
          i32x4.add(
            get(sum),
            i32x4.mul(
              i32x4.extendLow(i16x8.extendLowBytes(v128.loadZero32(get(at)))),
              v128.loadSplat32(get(weights)),
            ),
          ),
        ),
      end: sequence(
        set(sum, whole(sum)),
        v128.storeLane32(get(output), i32x4.narrowToBytes(get(sum), get(sum), get(sum), get(sum)), 0),
        advance(output, 3),
      ),
    });
  });
  module.add('sumRowsFixed', ['first', 'rowBytes', 'rows', 'weights', 'output', 'bytes'], (writer) => {
    const { first, rowBytes, rows, weights, output, bytes } = writer.parameters;
    const sums = [writer.vector(), writer.vector(), writer.vector(), writer.vector()] as const;
    const [values, factor] = [writer.vector(), writer.vector()];
    const [at, left, weight] = [writer.integer(), writer.integer(), writer.integer()];
    const [low, high] = [i16x8.extendLowBytes(get(values)), i16x8.extendHighBytes(get(values))];
    const words = [
      i32x4.extendLow(low),
      i32x4.extendHigh(low),
      i32x4.extendLow(high),
      i32x4.extendHigh(high),
    ];
    return repeatWhile(
      isLeft(bytes),
      sequence(
        ...sums.map((sum) => set(sum, half)),
        set(at, get(first)),
        set(left, get(rows)),
        set(weight, get(weights)),
        repeatWhile(
          isLeft(left),
          sequence(
            set(values, v128.load(get(at))),
            set(factor, v128.loadSplat32(get(weight))),
            ...sums.map((sum, index) => set(sum, i32x4.add(get(sum), i32x4.mul(words[index]!, get(factor))))),
            set(at, i32.add(get(at), get(rowBytes))),
            advance(weight, 4),
            countDown(left),
          ),
        ),
        v128.store(
          get(output),
          i32x4.narrowToBytes(whole(sums[0]), whole(sums[1]), whole(sums[2]), whole(sums[3])),
        ),
        advance(output, 16),
        advance(first, 16),
        advance(bytes, -16),
      ),
    );
  });
  return module.bytes();
}

interface SpanLocals {
  readonly row: Local;
  readonly spans: Local;
  readonly weights: Local;
  readonly pixels: Local;
}

interface SpanWork {
  readonly begin: Code;
  /** @param at the address of the source pixel (`weights`: that of its weight) */
  readonly add: (at: Local) => Code;
  readonly end: Code;
}

/** Every span has at least one source pixel. */
function eachSpan(
  writer: FunctionWriter<string>,
  { row, spans, weights, pixels }: SpanLocals,
  pixelBytes: number,
  weightBytes: number,
  { begin, add, end }: SpanWork,
): Code {
  const [at, last] = [writer.integer(), writer.integer()];
  return repeatWhile(
    isLeft(pixels),
    sequence(
      begin,
      set(at, i32.add(get(row), i32.load(get(spans)))),
      set(last, i32.add(get(at), i32.mul(i32.load(get(spans), 4), i32.const(pixelBytes)))),
      repeatWhile(
        i32.isDifferent(get(at), get(last)),
        sequence(add(at), advance(at, pixelBytes), advance(weights, weightBytes)),
      ),
      end,
      advance(spans, SPAN_BYTES),
      countDown(pixels),
    ),
  );
}
