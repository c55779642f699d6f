/**
 * OpenCV's cv::resize with INTER_AREA: the true area average when both sides shrink or stay, otherwise OpenCV's
 * "linear in area mode", whose weights come from how far a target pixel reaches beyond a source pixel.
 * Separable, so each axis is a short list of weighted source positions a target position.
 */

/** For target position t: sources first[t] … first[t] + count[t] − 1, weights from offset[t]. */
export interface AxisWeights {
  readonly first: Int32Array;
  readonly count: Int32Array;
  readonly offset: Int32Array;
  readonly weights: Float64Array;
}

function packWeights(rows: readonly { first: number; weights: number[] }[]): AxisWeights {
  const offset = new Int32Array(rows.length);
  let total = 0;
  rows.forEach(({ weights }, index) => {
    offset[index] = total;
    total += weights.length;
  });
  const weights = new Float64Array(total);
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
      // OpenCV leaves out slivers below a thousandth of a pixel.
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

/** Weights for both axes; which kind depends on both. */
export function areaResizeWeights(
  sourceWidth: number,
  sourceHeight: number,
  targetWidth: number,
  targetHeight: number,
): { horizontal: AxisWeights; vertical: AxisWeights } {
  const kind = sourceWidth >= targetWidth && sourceHeight >= targetHeight ? areaWeights : linearWeights;
  return { horizontal: kind(sourceWidth, targetWidth), vertical: kind(sourceHeight, targetHeight) };
}

/**
 * @param source [height, width, 3]
 * @param rowStride values between the starts of two source rows
 * @returns [targetHeight, targetWidth, 3], not rounded
 */
export function resizeArea(
  source: Uint8Array | Float32Array,
  sourceWidth: number,
  sourceHeight: number,
  targetWidth: number,
  targetHeight: number,
  rowStride = sourceWidth * 3,
): Float64Array {
  const { horizontal, vertical } = areaResizeWeights(sourceWidth, sourceHeight, targetWidth, targetHeight);
  const narrow = new Float64Array(sourceHeight * targetWidth * 3);
  for (let y = 0; y < sourceHeight; y++)
    for (let x = 0; x < targetWidth; x++) {
      let r = 0;
      let g = 0;
      let b = 0;
      const end = horizontal.offset[x]! + horizontal.count[x]!;
      let from = y * rowStride + horizontal.first[x]! * 3;
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

/** To the nearest integer, halves to even, as OpenCV's saturate_cast<uchar>. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const fraction = value - floor;
  if (fraction !== 0.5) return fraction < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}
