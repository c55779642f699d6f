/** The classifier on embeddings. */
import type { DirectoryReference } from '../data/directories.ts';
import type { BackendName } from '../device.ts';
import type { ModelReference } from '../models/models.ts';
import type { SkippedFiles } from '../data/skipped_files.ts';

/** The original's classifier: a linear support vector machine on the embeddings of aligned faces. */
export interface ClassifyRequest {
  readonly mode: 'TRAIN' | 'CLASSIFY';
  readonly model: ModelReference;
  readonly images: readonly DirectoryReference[];
  /** The classifier file's text, for CLASSIFY. */
  readonly classifier?: string | undefined;
  /** use_split_dataset: TRAIN takes so many images of each class that has enough, CLASSIFY the others. */
  readonly split?:
    { readonly minNrofImagesPerClass: number; readonly nrofTrainImagesPerClass: number } | undefined;
  readonly seed: number;
  readonly batch_size: number;
  /** Pixels; default: the model's own. */
  readonly image_size?: number | undefined;
  readonly backend?: BackendName | undefined;
}

export interface ClassifySummary {
  readonly classCount: number;
  readonly imageCount: number;
  readonly failures: readonly string[];
  /** Files that are not used, by reason. */
  readonly skipped: readonly SkippedFiles[];
  /** Of TRAIN: the file's text. */
  readonly classifier?: string | undefined;
  /** Of CLASSIFY, an image each. */
  readonly predictions?: readonly ClassPrediction[] | undefined;
  /** Of the images whose folder is one of the classifier's people; NaN without any. */
  readonly accuracy?: number | undefined;
  /** How often who was taken for whom, the most frequent mistake first. */
  readonly mistakes?:
    readonly { readonly actual: string; readonly predicted: string; readonly count: number }[] | undefined;
}

export interface ClassPrediction {
  readonly path: string;
  readonly actual: string;
  readonly predicted: string;
  readonly probability: number;
}

export interface LinearSvm {
  readonly dimension: number;
  readonly classes: number;
  /** [classes, dimension] */
  readonly weights: Float32Array;
  /** [classes] */
  readonly biases: Float32Array;
  /** The slope of each class's sigmoid 1/(1 + exp(slope·value + offset)). [classes] */
  readonly slopes: Float32Array;
  readonly offsets: Float32Array;
}
