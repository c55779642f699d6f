/**
 * OpenCV's cv::resize with INTER_AREA: the true area average when both sides shrink or stay, otherwise OpenCV's
 * "linear in area mode", whose weights come from how far a target pixel reaches beyond a source pixel.
 * It is separable, so each axis is one short list of weighted source positions per target position.
 */

/** For target position t: sources first[t] … first[t] + count[t] − 1, weights from offset[t]. */
export interface AxisWeights {
  readonly first: Int32Array;
  readonly count: Int32Array;
  readonly offset: Int32Array;
  /** In single precision, which OpenCV uses even for images of doubles. */
  readonly weights: Float32Array;
}

function packWeights(rows: readonly { first: number; weights: number[] }[]): AxisWeights {
  const offset = new Int32Array(rows.length);
  let total = 0;
  rows.forEach(({ weights }, index) => {
    offset[index] = total;
    total += weights.length;
  });
  const weights = new Float32Array(total);
  rows.forEach((row, index) => weights.set(row.weights, offset[index]));
  return {
    first: Int32Array.from(rows, (row) => row.first),
    count: Int32Array.from(rows, (row) => row.weights.length),
    offset,
    weights,
  };
}

/** The share of each source cell in a target cell's span. */
function areaWeights(source: number, target: number): AxisWeights {
  const scale = source / target;
  return packWeights(
    Array.from({ length: target }, (_, index) => {
      const begin = index * scale;
      const end = begin + scale;
      const span = Math.min(scale, source - begin);
      const firstWhole = Math.min(Math.ceil(begin), source - 1);
      const lastWhole = Math.max(Math.min(Math.floor(end), source - 1), firstWhole);
      const weights: number[] = [];
      let first = firstWhole;
      // OpenCV ignores slivers below a thousandth of a pixel.
      if (firstWhole - begin > 1e-3) {
        first = firstWhole - 1;
        weights.push((firstWhole - begin) / span);
      }
      for (let at = firstWhole; at < lastWhole; at++) weights.push(1 / span);
      if (end - lastWhole > 1e-3) weights.push(Math.min(Math.min(end - lastWhole, 1), span) / span);
      return { first, weights };
    }),
  );
}

function linearWeights(source: number, target: number): AxisWeights {
  const scale = source / target;
  return packWeights(
    Array.from({ length: target }, (_, index) => {
      const at = Math.floor(index * scale);
      const reach = index + 1 - (at + 1) / scale;
      const fraction = reach <= 0 ? 0 : Math.fround(reach - Math.floor(reach));
      if (at >= source - 1) return { first: source - 1, weights: [1] };
      return { first: at, weights: [1 - fraction, fraction] };
    }),
  );
}

/** The crops of a photo have few different sizes, and photos of one size have the same pyramid. */
const CACHED_WEIGHTS = 1000;
const cache = new Map<string, AxisWeights>();

function cached(kind: 'area' | 'linear', source: number, target: number): AxisWeights {
  const key = `${kind} ${source} ${target}`;
  let weights = cache.get(key);
  if (!weights) {
    weights = kind === 'area' ? areaWeights(source, target) : linearWeights(source, target);
    if (cache.size >= CACHED_WEIGHTS) cache.clear();
    cache.set(key, weights);
  }
  return weights;
}

/** The weights for both axes. Their kind depends on both axes. */
export function areaResizeWeights(
  sourceWidth: number,
  sourceHeight: number,
  targetWidth: number,
  targetHeight: number,
): { horizontal: AxisWeights; vertical: AxisWeights } {
  const kind = sourceWidth >= targetWidth && sourceHeight >= targetHeight ? 'area' : 'linear';
  return {
    horizontal: cached(kind, sourceWidth, targetWidth),
    vertical: cached(kind, sourceHeight, targetHeight),
  };
}

/**
 * Resizes like OpenCV with an image of doubles.
 * @param source [height, width, 3]
 * @returns [targetHeight, targetWidth, 3], not rounded
 */
export function resizeArea(
  source: Uint8Array,
  sourceWidth: number,
  sourceHeight: number,
  targetWidth: number,
  targetHeight: number,
): Float64Array {
  const { horizontal, vertical } = areaResizeWeights(sourceWidth, sourceHeight, targetWidth, targetHeight);
  const narrow = new Float64Array(sourceHeight * targetWidth * 3);
  for (let y = 0; y < sourceHeight; y++)
    for (let x = 0; x < targetWidth; x++) {
      let r = 0;
      let g = 0;
      let b = 0;
      const end = horizontal.offset[x]! + horizontal.count[x]!;
      let from = (y * sourceWidth + horizontal.first[x]!) * 3;
      for (let k = horizontal.offset[x]!; k < end; k++, from += 3) {
        const weight = horizontal.weights[k]!;
        r += source[from]! * weight;
        g += source[from + 1]! * weight;
        b += source[from + 2]! * weight;
      }
      const to = (y * targetWidth + x) * 3;
      narrow[to] = r;
      narrow[to + 1] = g;
      narrow[to + 2] = b;
    }
  const rowLength = targetWidth * 3;
  const target = new Float64Array(targetHeight * rowLength);
  for (let y = 0; y < targetHeight; y++) {
    const to = y * rowLength;
    for (let k = 0; k < vertical.count[y]!; k++) {
      const weight = vertical.weights[vertical.offset[y]! + k]!;
      const from = (vertical.first[y]! + k) * rowLength;
      for (let i = 0; i < rowLength; i++) target[to + i]! += narrow[from + i]! * weight;
    }
  }
  return target;
}

/**
 * Resizes like OpenCV with an image of bytes: sums in single precision, in OpenCV's order, so that all levels are
 * equal, even for halves.
 * @param source [height, width, 3]
 * @param from the first requested column of the target
 * @param columns number of requested columns
 * @returns [targetHeight, columns, 3], whole grey levels
 */
export function resizeAreaBytes(
  source: Uint8Array,
  sourceWidth: number,
  sourceHeight: number,
  targetWidth: number,
  targetHeight: number,
  from = 0,
  columns = targetWidth - from,
): Uint8Array {
  if (sourceWidth % targetWidth === 0 && sourceHeight % targetHeight === 0)
    return averageBlocks(
      source,
      sourceWidth,
      from,
      columns,
      targetHeight,
      sourceWidth / targetWidth,
      sourceHeight / targetHeight,
    );
  const { horizontal, vertical } = areaResizeWeights(sourceWidth, sourceHeight, targetWidth, targetHeight);
  const rowLength = columns * 3;
  const target = new Uint8Array(targetHeight * rowLength);
  const narrow = new Float32Array(rowLength);
  const sums = new Float32Array(rowLength);
  let narrowRow = -1;
  for (let y = 0; y < targetHeight; y++) {
    sums.fill(0);
    for (let k = 0; k < vertical.count[y]!; k++) {
      const row = vertical.first[y]! + k;
      // Neighbouring target rows share a source row.
      if (row !== narrowRow) narrowBytes(source, row * sourceWidth * 3, horizontal, from, columns, narrow);
      narrowRow = row;
      const weight = vertical.weights[vertical.offset[y]! + k]!;
      for (let i = 0; i < rowLength; i++) sums[i] = Math.fround(sums[i]! + Math.fround(narrow[i]! * weight));
    }
    const to = y * rowLength;
    for (let i = 0; i < rowLength; i++) target[to + i] = roundHalfEven(sums[i]!);
  }
  return target;
}

function narrowBytes(
  source: Uint8Array,
  rowStart: number,
  weights: AxisWeights,
  firstColumn: number,
  columns: number,
  into: Float32Array,
): void {
  for (let column = 0; column < columns; column++) {
    const x = firstColumn + column;
    let r = 0;
    let g = 0;
    let b = 0;
    const end = weights.offset[x]! + weights.count[x]!;
    let from = rowStart + weights.first[x]! * 3;
    for (let k = weights.offset[x]!; k < end; k++, from += 3) {
      const weight = weights.weights[k]!;
      r = Math.fround(r + Math.fround(source[from]! * weight));
      g = Math.fround(g + Math.fround(source[from + 1]! * weight));
      b = Math.fround(b + Math.fround(source[from + 2]! * weight));
    }
    into[column * 3] = r;
    into[column * 3 + 1] = g;
    into[column * 3 + 2] = b;
  }
}

/** Resizes by integer factors with integer sums. Halves are rounded up for 2 × 2 blocks, otherwise to even. */
function averageBlocks(
  source: Uint8Array,
  sourceWidth: number,
  firstColumn: number,
  columns: number,
  targetHeight: number,
  factorX: number,
  factorY: number,
): Uint8Array {
  const target = new Uint8Array(targetHeight * columns * 3);
  const isHalf = factorX === 2 && factorY === 2;
  const share = Math.fround(1 / (factorX * factorY));
  for (let y = 0; y < targetHeight; y++)
    for (let x = 0; x < columns; x++)
      for (let channel = 0; channel < 3; channel++) {
        let sum = 0;
        const left = (firstColumn + x) * factorX;
        for (let dy = 0; dy < factorY; dy++)
          for (let dx = 0; dx < factorX; dx++)
            sum += source[((y * factorY + dy) * sourceWidth + left + dx) * 3 + channel]!;
        target[(y * columns + x) * 3 + channel] = isHalf
          ? (sum + 2) >> 2
          : roundHalfEven(Math.fround(sum * share));
      }
  return target;
}

/** Rounds to the nearest integer, halves to even, like OpenCV's saturate_cast<uchar>. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const fraction = value - floor;
  if (fraction !== 0.5) return fraction < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}
