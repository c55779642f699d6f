/**
 * Finds the same person under two names, and the same picture twice.
 *
 * Two identities are compared by their centres. The data gives the suspicious distance: the photos of each person are
 * divided at random into two halves, whose centres have a typical distance. Two folders that are no farther apart may
 * well show one person. If this is common, because the model separates people badly, only the closest few pairs are
 * suspicious.
 *
 * Two copies of a picture have nearly the same embedding, whatever their names are. A distance is at least as large as
 * the difference along any single direction. So the photos are sorted along the direction in which they differ most,
 * and only few pairs are left to compare.
 */
import { hashKey, permutation, RandomStream } from '../../common/random.ts';
import { classCentres, unitRows, type LabelledRows } from './class_centres.ts';
import { forEachProduct, rowCount, unitDistance, type Rows } from './dot_products.ts';
import { median } from './outliers.ts';
import type { Sliced } from './sliced.ts';
import type { NearPairs, IdentityPairs, PhotoPairs } from '../../protocol/use/inspect.ts';

/** Number of pairs to keep, so that the threshold can be raised. */
const IDENTITY_PAIRS_KEPT = 2000;
const PHOTO_PAIRS_KEPT = 1000;
/** With this many photos, the centre of each half has at least two. */
const LEAST_PHOTOS_TO_HALVE = 4;
const HALVES_SHARE = 0.95;
/** At most this share of all pairs is suspicious; or a quarter of the number of classes, if that is more. */
const PAIRS_SHARE = 0.01;
const PAIRS_PER_CLASS = 0.25;
/** Two copies of a photo may have this share of the usual distance between two photos of one person. */
const COPY_SHARE = 0.25;
const SLICE_ROWS = 64;

/** Finds classes whose centres are close; `first` and `second` are labels. */
export function* findNearIdentities(photos: LabelledRows, seed = 0): Sliced<IdentityPairs> {
  const { dimension, classCount } = photos;
  const { directions, counts } = classCentres(photos);
  const centres: Rows = { values: directions, dimension };
  const nearest = new NearestPairs(IDENTITY_PAIRS_KEPT);
  let pairCount = 0;
  for (let first = 0; first < classCount; first += 4) {
    const block = Math.min(4, classCount - first);
    forEachProduct(centres, first, centres, first + 1, (second, products) => {
      if (counts[second] === 0) return;
      for (let k = 0; k < block && first + k < second; k++) {
        if (counts[first + k] === 0) continue;
        const distance = unitDistance(products[k]!);
        pairCount++;
        nearest.add(first + k, second, distance);
      }
    });
    // Later rows have fewer partners.
    if (first % SLICE_ROWS === 0) yield 1 - (1 - first / classCount) ** 2;
  }
  const pairs = nearest.sorted();
  const halvesDistance = quantile(distancesOfHalves(photos, seed), HALVES_SHARE);
  const most = Math.ceil(Math.max(PAIRS_SHARE * pairCount, PAIRS_PER_CLASS * classCount));
  const rareDistance = pairs.distances[Math.min(most, pairs.distances.length) - 1] ?? 0;
  return {
    ...pairs,
    halvesDistance,
    threshold: Number.isNaN(halvesDistance) ? rareDistance : Math.min(halvesDistance, rareDistance),
  };
}

/** The distance between the centres of two random halves, for each class with enough photos. */
function distancesOfHalves(
  { values, dimension, labels, classCount, isLeftOut }: LabelledRows,
  seed: number,
): number[] {
  const rowsByClass: number[][] = Array.from({ length: classCount }, () => []);
  for (let row = 0; row < labels.length; row++) if (!isLeftOut?.[row]) rowsByClass[labels[row]!]!.push(row);
  return rowsByClass.flatMap((rows, label) => {
    if (rows.length < LEAST_PHOTOS_TO_HALVE) return [];
    const halves = new Float64Array(2 * dimension);
    permutation(hashKey(seed, RandomStream.pairs, label), rows.length).forEach((place, at) => {
      for (let i = 0; i < dimension; i++)
        halves[(at % 2) * dimension + i]! += values[rows[place]! * dimension + i]!;
    });
    const units = unitRows(halves, dimension);
    let cosine = 0;
    for (let i = 0; i < dimension; i++) cosine += units[i]! * units[dimension + i]!;
    return [unitDistance(cosine)];
  });
}

/** NaN for an empty list. */
function quantile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;
}

/**
 * Finds photos that are copies of each other, or nearly; `first` and `second` are rows.
 * @param coordinates the same photos along orthogonal directions of length 1, sorted by falling variance
 */
export function* findNearPhotos(photos: LabelledRows, coordinates: Rows, seed = 0): Sliced<PhotoPairs> {
  const { isLeftOut } = photos;
  const threshold = COPY_SHARE * usualDistance(photos, seed);
  const nearest = new NearestPairs(PHOTO_PAIRS_KEPT);
  const count = rowCount(photos);
  const along = (row: number): number => coordinates.values[row * coordinates.dimension]!;
  const order = Uint32Array.from({ length: count }, (_, row) => row)
    .filter((row) => !isLeftOut?.[row])
    .sort((a, b) => along(a) - along(b));
  for (let place = 0; place < order.length; place++) {
    const row = order[place]!;
    for (let other = place + 1; other < order.length; other++) {
      if (along(order[other]!) - along(row) > threshold) break;
      if (!isNear(coordinates, row, order[other]!, threshold)) continue;
      const distance = rowDistance(photos, row, order[other]!);
      if (distance > threshold) continue;
      nearest.add(Math.min(row, order[other]!), Math.max(row, order[other]!), distance);
    }
    if (place % SLICE_ROWS === 0) yield place / order.length;
  }
  return { ...nearest.sorted(), threshold };
}

/**
 * The usual distance between two photos of one class: the median over random pairs, about one per photo. If no class
 * has two photos, half of the median over any pairs.
 */
function usualDistance(photos: LabelledRows, seed: number): number {
  const { labels, classCount, isLeftOut } = photos;
  const [within, across]: [number[], number[]] = [[], []];
  const latest = new Int32Array(classCount).fill(-1);
  let before = -1;
  for (const row of permutation(hashKey(seed, RandomStream.pairs), labels.length)) {
    if (isLeftOut?.[row]) continue;
    const label = labels[row]!;
    if (latest[label]! >= 0) within.push(rowDistance(photos, latest[label]!, row));
    if (before >= 0) across.push(rowDistance(photos, before, row));
    latest[label] = row;
    before = row;
  }
  return within.length > 0 ? median(within) : across.length > 0 ? median(across) / 2 : 0;
}

/** Whether the rows may be within the threshold. Stops at the first directions that rule it out. */
function isNear({ values, dimension }: Rows, a: number, b: number, threshold: number): boolean {
  const most = threshold ** 2;
  let sum = 0;
  for (let i = 0; i < dimension; i++) {
    sum += (values[a * dimension + i]! - values[b * dimension + i]!) ** 2;
    if (sum > most) return false;
  }
  return true;
}

function rowDistance({ values, dimension }: Rows, a: number, b: number): number {
  let sum = 0;
  for (let i = 0; i < dimension; i++) sum += (values[a * dimension + i]! - values[b * dimension + i]!) ** 2;
  return Math.sqrt(sum);
}

/** Keeps the nearest of many pairs, in memory for twice as many as it keeps. */
class NearestPairs {
  readonly #most: number;
  #pairs: { first: number; second: number; distance: number }[] = [];
  #farthest = Infinity;

  constructor(most: number) {
    this.#most = most;
  }

  add(first: number, second: number, distance: number): void {
    if (distance >= this.#farthest) return;
    this.#pairs.push({ first, second, distance });
    if (this.#pairs.length >= 2 * this.#most) this.#cut();
  }

  #cut(): void {
    this.#pairs.sort((a, b) => a.distance - b.distance || a.first - b.first || a.second - b.second);
    if (this.#pairs.length < this.#most) return;
    this.#pairs.length = this.#most;
    this.#farthest = this.#pairs.at(-1)!.distance;
  }

  sorted(): NearPairs {
    this.#cut();
    return {
      first: Uint32Array.from(this.#pairs, ({ first }) => first),
      second: Uint32Array.from(this.#pairs, ({ second }) => second),
      distances: Float32Array.from(this.#pairs, ({ distance }) => distance),
    };
  }
}
