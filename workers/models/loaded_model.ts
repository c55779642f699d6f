/** A model that can embed faces, wherever it came from. */
import type { Graph } from '../compute/graph/ir.ts';
import type { NamedTensors } from '../protocol/tensor.ts';
import type { ModelMetadata } from './metadata.ts';

export interface LoadedModel {
  /** For messages and file names: a run's id, or the file's name. */
  readonly name: string;
  /** Without the logits layer. */
  readonly graph: Graph;
  /**
   * A value for each of the graph's parameters, moving statistics included; and the classifier's, `Logits/weights`
   * [embedding size, classes] and `Logits/biases` [classes], where the source has them.
   */
  readonly parameters: NamedTensors;
  /** What it was trained on, pixels. */
  readonly imageSize: number;
  readonly useFixedImageStandardization: boolean;
  /** How that is known, at the end of a sentence; nothing for what a run or a job states. */
  readonly standardizationBasis?: string | undefined;
  /** Nobody has said it, and useFixedImageStandardization must not be used. loadModel asks for it. */
  readonly isStandardizationUnknown?: boolean | undefined;
  /** What its file or its run says about it, where it says anything. */
  readonly metadata?: ModelMetadata | undefined;
  /** Sentences for the person: what was assumed, and what was left out. */
  readonly notes?: readonly string[] | undefined;
}
