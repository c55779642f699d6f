/**
 * Finds photos that do not look like the others of their class. Most of them are mislabelled.
 *
 * A photo is compared with the centre of the *other* photos of its class, so that it does not pull the centre towards
 * itself, and with the centres of all other classes. How far is too far depends on the class: a person photographed
 * from age twenty to seventy varies more than one photographed on one day. So each distance is taken relative to the
 * median and the median absolute deviation of the class, which a few strangers do not move (Rousseeuw & Croux,
 * "Alternatives to the median absolute deviation", 1993). For a class of few photos, both are shrunk towards those of
 * all photos, which are more reliable.
 */
import { classCentres, type LabelledRows } from './class_centres.ts';
import { forEachProduct, rowCount, unitDistance } from './dot_products.ts';
import type { Sliced } from './sliced.ts';
import type { PhotoFits } from '../../protocol/use/inspect.ts';

/** Converts a median absolute deviation to a standard deviation, for a normal distribution. */
const NORMAL_SCALE = 1.4826;
/** The usual bound for outliers (Iglewicz & Hoaglin, "How to Detect and Handle Outliers", 1993). */
export const OUTLIER_DEVIATION = 3.5;
/** With this many photos, the median and deviation of a class weigh as much as those of all photos. */
const PRIOR_PHOTOS = 5;
/** Float32 rounding makes equal embeddings differ by nearly this much. */
const LEAST_DISTANCE = 1e-3;
const SLICE_ROWS = 64;

/** Photos that are left out are also measured, but do not contribute to a centre, median or deviation. */
export function* measureFits(photos: LabelledRows): Sliced<PhotoFits> {
  const { dimension, labels, isLeftOut } = photos;
  const count = rowCount(photos);
  const { sums, counts, directions } = classCentres(photos);
  const centres = { values: directions, dimension };
  const centreDistances = new Float32Array(count).fill(NaN);
  const ownDistances = new Float32Array(count).fill(NaN);
  const nearestClasses = new Int32Array(count).fill(-1);
  const nearestCosines = new Float64Array(count).fill(-Infinity);
  for (let first = 0; first < count; first += 4) {
    const block = Math.min(4, count - first);
    forEachProduct(photos, first, centres, 0, (label, products) => {
      if (counts[label] === 0) return;
      for (let k = 0; k < block; k++) {
        const row = first + k;
        if (labels[row] === label || products[k]! <= nearestCosines[row]!) continue;
        nearestCosines[row] = products[k]!;
        nearestClasses[row] = label;
      }
    });
    if (first % SLICE_ROWS === 0) yield first / count;
  }
  for (let row = 0; row < count; row++) {
    const label = labels[row]!;
    const isIn = !isLeftOut?.[row];
    const others = counts[label]! - (isIn ? 1 : 0);
    let toMean = 0;
    let product = 0;
    let otherSquares = 0;
    for (let i = 0; i < dimension; i++) {
      const value = photos.values[row * dimension + i]!;
      const sum = sums[label * dimension + i]!;
      const other = isIn ? sum - value : sum;
      toMean += (value - sum / counts[label]!) ** 2;
      product += value * other;
      otherSquares += other * other;
    }
    if (isIn) centreDistances[row] = Math.sqrt(toMean);
    if (others > 0 && otherSquares > 0) ownDistances[row] = unitDistance(product / Math.sqrt(otherSquares));
  }
  const nearestDistances = Float32Array.from(nearestCosines, (cosine) =>
    cosine === -Infinity ? NaN : unitDistance(cosine),
  );
  return {
    centreDistances,
    ownDistances,
    nearestClasses,
    nearestDistances,
    deviations: deviationsOf(photos, ownDistances),
    ratios: ownDistances.map((own, row) => own / Math.max(nearestDistances[row]!, LEAST_DISTANCE)),
  };
}

/**
 * Photos that are closer to another class than to their own, or are outliers of their own class.
 * @returns rows, the most suspicious first
 */
export function findSuspects({ ratios, deviations }: PhotoFits, isLeftOut?: Uint8Array): Uint32Array {
  const rank = (row: number): number => (Number.isNaN(ratios[row]!) ? 0 : ratios[row]!);
  return Uint32Array.from({ length: ratios.length }, (_, row) => row)
    .filter((row) => !isLeftOut?.[row] && (ratios[row]! > 1 || deviations[row]! > OUTLIER_DEVIATION))
    .sort((a, b) => rank(b) - rank(a) || deviations[b]! - deviations[a]!);
}

function deviationsOf(
  { labels, classCount, isLeftOut }: LabelledRows,
  distances: Float32Array,
): Float32Array {
  const byClass: number[][] = Array.from({ length: classCount }, () => []);
  for (let row = 0; row < distances.length; row++)
    if (!isLeftOut?.[row] && !Number.isNaN(distances[row]!)) byClass[labels[row]!]!.push(distances[row]!);
  const overall = median(byClass.flat());
  const ownMedians = byClass.map((list) => (list.length === 0 ? overall : median(list)));
  const ownDeviations = byClass.map((list, label) =>
    list.length === 0 ? 0 : median(list.map((value) => Math.abs(value - ownMedians[label]!))),
  );
  const overallDeviation = median(
    byClass.flatMap((list, label) => list.map((value) => Math.abs(value - ownMedians[label]!))),
  );
  // If photos hardly differ, as copies do, none of them is an outlier.
  const spread = Math.max(NORMAL_SCALE * overallDeviation, LEAST_DISTANCE);
  return Float32Array.from(distances, (distance, row) => {
    const label = labels[row]!;
    const own = byClass[label]!.length / (byClass[label]!.length + PRIOR_PHOTOS);
    const centre = own * ownMedians[label]! + (1 - own) * overall;
    const width = Math.sqrt(own * (NORMAL_SCALE * ownDeviations[label]!) ** 2 + (1 - own) * spread ** 2);
    return (distance - centre) / Math.max(width, spread / 2);
  });
}

/** NaN for an empty list. */
export function median(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
