/**
 * Names faces by those that are enrolled: the k nearest vote, or a linear support vector machine chooses. Either way a
 * name stands only where a face of that person is closer than the threshold; otherwise it is nobody that is known.
 */
import { classProbabilities } from './linear_svm.ts';
import { type LinearSvm } from '../../protocol/use/classify.ts';
import { nearestNeighbours, vote, type Gallery, type Neighbour } from './nearest.ts';

export interface Recognizer {
  readonly gallery: Gallery;
  readonly k: number;
  /** Euclidean. */
  readonly threshold: number;
  /** Chooses in place of the neighbours. */
  readonly svm?: LinearSvm | undefined;
}

export interface Recognized {
  /** Undefined: nobody that is known. */
  readonly label: number | undefined;
  /** Euclidean, to the nearest face of the person; of the nearest of all for nobody. */
  readonly distance: number;
  /** Of the support vector machine's choice. */
  readonly probability?: number | undefined;
  /** The nearest first. */
  readonly neighbours: readonly Neighbour[];
}

/** At least so many neighbours are told, whatever k is. */
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
