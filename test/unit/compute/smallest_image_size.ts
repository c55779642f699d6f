/** Finds by trial the smallest image for which every layer of a network has an output. */
import type { Graph } from '../../../workers/compute/graph/ir.ts';
import { ImageTooSmallError, inferShapes } from '../../../workers/compute/graph/shapes.ts';

export function smallestImageSize(graph: Graph): number {
  for (let imageSize = 1; ; imageSize++)
    try {
      inferShapes(graph, { batchSize: 1, imageSize });
      return imageSize;
    } catch (error) {
      if (!(error instanceof ImageTooSmallError)) throw error;
    }
}
