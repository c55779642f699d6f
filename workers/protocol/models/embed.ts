/** Embeddings of a folder, and its distances to the class centres. */
import type { DirectoryReference } from '../data/directories.ts';
import type { AlignOutput } from '../align/align.ts';
import type { BackendName } from '../device.ts';
import type { ModelReference } from './models.ts';
import type { SkippedFiles } from '../data/skipped_files.ts';

/** The original's export_embeddings: a folder of aligned faces → embeddings.npy, labels.npy, label_strings.npy. */
export interface EmbedRequest {
  readonly model: ModelReference;
  readonly images: readonly DirectoryReference[];
  readonly output: AlignOutput;
  readonly batch_size: number;
  /** Side of the square that is cut out of each image's centre, pixels; default: the model's own. */
  readonly image_size?: number | undefined;
  readonly backend?: BackendName | undefined;
}

export interface EmbedSummary {
  readonly imageCount: number;
  readonly embeddingSize: number;
  readonly classNames: readonly string[];
  /** Images that could not be read, and are left out: why. */
  readonly failures: readonly string[];
  /** Files that are not used, by reason. */
  readonly skipped: readonly SkippedFiles[];
  readonly files: readonly { readonly path: string; readonly sizeBytes: number }[];
}

/** The original's calculate_filtering_metrics: what option filter_filename filters a dataset by. */
export interface DistanceTableRequest {
  readonly model: ModelReference;
  readonly images: readonly DirectoryReference[];
  readonly batch_size: number;
  readonly backend?: BackendName | undefined;
}

export interface DistanceTable {
  /** Lines `path distance class_index`. */
  readonly text: string;
  readonly classCount: number;
  readonly imageCount: number;
  /** Why images are left out. */
  readonly failures: readonly string[];
  /** Files that are not used, by reason. */
  readonly skipped: readonly SkippedFiles[];
  /** The images farthest from the centre of their class, the farthest first. */
  readonly largest: readonly { readonly path: string; readonly distance: number }[];
}
