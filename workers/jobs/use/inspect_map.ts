/**
 * A map by neighbourhood: photos with alike embeddings lie together (McInnes, Healy & Melville, "UMAP: Uniform Manifold
 * Approximation and Projection for Dimension Reduction", 2018). It begins with the map by principal components, which
 * keeps the large distances meaningful (Kobak & Linderman, "Initialization is critical for preserving global data
 * structure in both t-SNE and UMAP", 2021) and lets a person follow where each photo goes. The same photos give the
 * same map.
 */
import { UMAP } from 'umap-js';
import { rowCount, type Rows } from '../../evaluation/inspection/dot_products.ts';
import { findNeighbours } from '../../evaluation/inspection/neighbour_graph.ts';
import { hashKey, uniform } from '../../common/random.ts';
import { EvaluationCancelledError } from '../errors.ts';
import { Throttle, type JobControl } from '../../protocol/job_control.ts';
import { inSlices } from '../slices.ts';

export class TooFewPhotosError extends Error {
  override name = 'TooFewPhotosError';
  constructor(count: number) {
    super(
      `A map by neighbourhood needs at least ${LEAST_PHOTOS} photos, but there are only ${count}. Use the map by principal components.`,
    );
  }
}

export interface NeighbourMapOptions {
  /** A larger one shows more of the whole, a smaller one more of the parts. */
  readonly neighbours: number;
  /** How close points may lie: 0 … 1. */
  readonly leastDistance: number;
  readonly seed: number;
}

export const DEFAULT_NEIGHBOUR_MAP: NeighbourMapOptions = { neighbours: 15, leastDistance: 0.1, seed: 1 };

const LEAST_PHOTOS = 4;
/** Half the width of the map that it begins with; UMAP’s forces are made for about this size. */
const START_EXTENT = 10;
const POSITIONS_INTERVAL_MS = 250;
const WORK_MS = 100;
/** Finding neighbours takes this much of the whole, roughly; moving the points the rest. */
const NEIGHBOURS_SHARE = 0.3;

/**
 * @param coordinates along the principal components, the largest first
 * @param onProgress gets the share that is done, 0 … 1, and now and then where the points are: [count, 2]
 * @returns [count, 2]
 * @throws TooFewPhotosError, EvaluationCancelledError
 */
export async function mapByNeighbours(
  coordinates: Rows,
  options: NeighbourMapOptions,
  control: JobControl,
  onProgress?: (share: number, positions?: Float32Array) => void,
): Promise<Float32Array<ArrayBuffer>> {
  const count = rowCount(coordinates);
  if (count < LEAST_PHOTOS) throw new TooFewPhotosError(count);
  // The library wants more points than neighbours.
  const neighbours = Math.max(2, Math.min(options.neighbours, count - 1));
  const graph = await inSlices(findNeighbours(coordinates, neighbours), control, (share) =>
    onProgress?.(NEIGHBOURS_SHARE * share),
  );
  const key = hashKey(options.seed);
  let drawn = 0;
  const umap = new UMAP({
    nComponents: 2,
    nNeighbors: neighbours,
    minDist: options.leastDistance,
    random: () => uniform(key, drawn++),
  });
  umap.setPrecomputedKNN(graph.indices, graph.distances);
  // With its neighbours given, a point itself is not looked at.
  const epochs = umap.initializeFit(Array.from({ length: count }, () => []));
  const points = umap.getEmbedding();
  placeByComponents(points, coordinates);
  const positionsDue = new Throttle(POSITIONS_INTERVAL_MS);
  let sliceStart = performance.now();
  for (let epoch = 0; epoch < epochs; epoch++) {
    umap.step();
    if (performance.now() - sliceStart < WORK_MS) continue;
    onProgress?.(
      NEIGHBOURS_SHARE + ((1 - NEIGHBOURS_SHARE) * (epoch + 1)) / epochs,
      positionsDue.ready() ? Float32Array.from(points.flat()) : undefined,
    );
    await new Promise((resolve) => setTimeout(resolve));
    if (!(await control.proceed())) throw new EvaluationCancelledError();
    sliceStart = performance.now();
  }
  return Float32Array.from(points.flat());
}

/** In place: these are the arrays that the library moves. */
function placeByComponents(points: number[][], { values, dimension }: Rows): void {
  let extent = 0;
  for (let row = 0; row < points.length; row++)
    for (let axis = 0; axis < 2; axis++)
      extent = Math.max(extent, Math.abs(values[row * dimension + axis] ?? 0));
  if (extent === 0) return;
  points.forEach((point, row) => {
    for (let axis = 0; axis < 2; axis++) {
      // A little of the random start stays: points at one place could not part.
      const start = (values[row * dimension + axis] ?? 0) * (START_EXTENT / extent);
      point[axis] = start + point[axis]! * 1e-3;
    }
  });
}
