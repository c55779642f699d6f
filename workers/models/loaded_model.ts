/** A model that can embed faces, wherever it came from. */
import type { Graph } from '../graph/ir.ts';
import type { NamedTensors } from '../graph/tensor.ts';

export interface LoadedModel {
  /** For messages and file names: a run's id, or the file's name. */
  readonly name: string;
  /** Without the logits layer. */
  readonly graph: Graph;
  /** A value for each of the graph's parameters, moving statistics included. */
  readonly parameters: NamedTensors;
  /** What it was trained on, pixels. */
  readonly imageSize: number;
  readonly useFixedImageStandardization: boolean;
}
