/**
 * Names faces after enrolled people: the k nearest enrolled faces vote, or a linear support vector machine chooses. In
 * both cases the name is used only if a face of that person is closer than the threshold; otherwise it is nobody who
 * is known.
 */
import { classProbabilities } from './linear_svm.ts';
import { type LinearSvm } from '../../protocol/use/classify.ts';
import { nearestNeighbours, vote, type Gallery, type Neighbour } from './nearest.ts';

export interface Recognizer {
  readonly gallery: Gallery;
  readonly k: number;
  /** A Euclidean distance. */
  readonly threshold: number;
  /** If given, it chooses instead of the neighbours. */
  readonly svm?: LinearSvm | undefined;
}

export interface Recognized {
  /** undefined: nobody who is known. */
  readonly label: number | undefined;
  /** The Euclidean distance to the nearest face of the person; for nobody, to the nearest face of anybody. */
  readonly distance: number;
  /** The probability of the support vector machine's choice. */
  readonly probability?: number | undefined;
  /** The neighbours, the nearest first. */
  readonly neighbours: readonly Neighbour[];
}

/** At least this many neighbours are returned, whatever k is. */
const NEIGHBOURS_TOLD = 3;

/** @param query l2-normalised, [dimension] */
export function recognize({ gallery, k, threshold, svm }: Recognizer, query: Float32Array): Recognized {
  const { labels } = gallery;
  const neighbours = nearestNeighbours(gallery, query, Math.max(k, NEIGHBOURS_TOLD));
  if (!svm) return { ...vote(labels, neighbours.slice(0, k), threshold), neighbours };
  const probabilities = classProbabilities(svm, query);
  const label = probabilities.indexOf(Math.max(...probabilities));
  const [nearest] = nearestNeighbours(gallery, query, 1, (index) => labels[index] === label);
  const distance = nearest?.distance ?? Infinity;
  return distance < threshold
    ? { label, distance, probability: probabilities[label]!, neighbours }
    : { label: undefined, distance: neighbours[0]?.distance ?? Infinity, neighbours };
}
