/**
 * How often recognition would be wrong, measured on the enrolled people with one face left out at a time. False
 * accept: if its person were a stranger, the face would be accepted, because a face of somebody else is closer than
 * the threshold. False reject: the person would not be recognised, because no other face of that person is closer than
 * the threshold.
 */
import { hashKey, permutation } from '../../common/random.ts';
import { euclideanDistance, type Gallery } from './nearest.ts';

/** Sorted Euclidean distances of faces that are left out. */
export interface LeaveOneOut {
  /** The distances to the nearest face of anybody else. */
  readonly toOthers: Float64Array;
  /** The distances to the nearest other face of the same person, if there is one. */
  readonly toOwn: Float64Array;
}

/** Larger than the distance between any two embeddings, which have length 1. */
export const ACCEPT_ALL = 2.01;
/** More faces hardly make the rates more precise. */
const MAXIMUM_QUERIES = 2000;

/** Yields the share that is done. If there are many faces, a random part of them is used. */
export function* leaveOneOut(gallery: Gallery, seed: number): Generator<number, LeaveOneOut> {
  const { embeddings, dimension, labels } = gallery;
  const order = permutation(hashKey(seed, labels.length), labels.length).subarray(0, MAXIMUM_QUERIES);
  const toOthers: number[] = [];
  const toOwn: number[] = [];
  for (const [place, face] of order.entries()) {
    let own = Infinity;
    let other = Infinity;
    for (let index = 0; index < labels.length; index++) {
      if (index === face) continue;
      const distance = euclideanDistance(
        embeddings,
        face * dimension,
        embeddings,
        index * dimension,
        dimension,
      );
      if (labels[index] === labels[face]) own = Math.min(own, distance);
      else other = Math.min(other, distance);
    }
    if (Number.isFinite(other)) toOthers.push(other);
    if (Number.isFinite(own)) toOwn.push(own);
    yield (place + 1) / order.length;
  }
  return { toOthers: Float64Array.from(toOthers).sort(), toOwn: Float64Array.from(toOwn).sort() };
}

export interface Rates {
  readonly threshold: number;
  /** NaN if there is only one person. */
  readonly falseAcceptRate: number;
  /** NaN if nobody has two faces. */
  readonly falseRejectRate: number;
}

/** The rates at a threshold, which accepts smaller distances. */
export function ratesAt({ toOthers, toOwn }: LeaveOneOut, threshold: number): Rates {
  return {
    threshold,
    falseAcceptRate: countBelow(toOthers, threshold) / toOthers.length,
    falseRejectRate: 1 - countBelow(toOwn, threshold) / toOwn.length,
  };
}

/**
 * The largest threshold with a false accept rate of at most `falseAcceptRate`.
 * @returns undefined if there is only one person
 */
export function thresholdAtRate({ toOthers }: LeaveOneOut, falseAcceptRate: number): number | undefined {
  if (toOthers.length === 0) return undefined;
  // The small addend is for rounding: 0.29 · 100 is slightly less than 29.
  const accepted = Math.floor(falseAcceptRate * toOthers.length + 1e-9);
  return toOthers[accepted] ?? ACCEPT_ALL;
}

/** The rates at `count` thresholds, from just below the smallest distance to just above the largest. */
export function rateCurve(distances: LeaveOneOut, count: number): Rates[] {
  const { toOthers, toOwn } = distances;
  const all = [toOthers[0], toOwn[0], toOthers.at(-1), toOwn.at(-1)].filter((value) => value !== undefined);
  if (all.length === 0) return [];
  const [least, greatest] = [Math.min(...all), Math.max(...all)];
  const margin = Math.max((greatest - least) * 0.05, 1e-3);
  const from = Math.max(least - margin, 0);
  const step = (greatest + margin - from) / (count - 1);
  return Array.from({ length: count }, (_, index) => ratesAt(distances, from + step * index));
}

/** The number of values below the threshold, by binary search. */
function countBelow(sorted: Float64Array, threshold: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! < threshold) low = middle + 1;
    else high = middle;
  }
  return low;
}
