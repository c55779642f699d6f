/** dataset.worker: folders, classes, sample faces. */
import type { JobControl } from '../job_control.ts';
import type { AlignOutput } from '../align/align.ts';
import type { DirectoryReference } from './directories.ts';

import type { SkippedFiles } from './skipped_files.ts';

export type { DirectoryReference } from './directories.ts';

export interface DatasetSummary {
  readonly name: string;
  /** Sorted by name. */
  readonly classes: readonly ClassCount[];
  readonly imageCount: number;
  /** A few images' paths, spread over the classes. */
  readonly examples: readonly string[];
  /** Files that are no images, and images that lie in no class folder. */
  readonly ignoredCount: number;
  /** The first few of the ignored files' paths. */
  readonly ignoredExamples: readonly string[];
  /** All files that are not used, by reason. */
  readonly skipped: readonly SkippedFiles[];
}

export interface SampleFacesOptions {
  readonly seed: number;
  readonly people: number;
  readonly photosPerPerson: number;
}

export interface CopyRequest {
  readonly from: DirectoryReference;
  readonly output: AlignOutput;
}

export interface DatasetWorkerApi {
  /**
   * Reads names only, and keeps none but those of the classes and an example or a few of each.
   * @throws NoImagesError; an AbortError when it is cancelled
   */
  scan(
    references: DirectoryReference[],
    control: JobControl,
    onProgress?: (progress: ScanProgress) => void,
  ): Promise<DatasetSummary>;
  /** Draws the sample faces into the private file system, unless they are there; returns their folder. */
  makeSampleFaces(
    options: SampleFacesOptions,
    onProgress?: (done: number, total: number) => void,
  ): Promise<DirectoryReference>;
  /**
   * Writes a folder's files, as they are, into another folder or a zip file.
   * @returns how many files were written
   */
  copy(
    request: CopyRequest,
    control: JobControl,
    onProgress: (done: number, total: number) => void,
  ): Promise<number>;
  /** Keeps folders open for `list` and `pictures`, which know them by the number. */
  open(references: DirectoryReference[]): Promise<number>;
  /** The paths of all images, in order, with NUL between them: one long text crosses faster than 100,000 short ones. */
  list(folder: number): Promise<string>;
  /** Those of the images that can be decoded. */
  pictures(folder: number, paths: readonly string[], shape: PictureShape): Promise<Thumbnail[]>;
}

/** The middle square, or the whole photo with this as its longer side at most. */
export interface PictureShape {
  readonly sizePx: number;
  readonly isWhole: boolean;
}

export interface Thumbnail {
  readonly path: string;
  readonly bitmap: ImageBitmap;
}

export interface ClassCount {
  readonly name: string;
  readonly imageCount: number;
}

/** What has been found so far. */
export interface DatasetTotals {
  readonly fileCount: number;
  readonly imageCount: number;
  /** Classes are counted as soon as their folders' names are known. */
  readonly classCount: number;
}

/** What has been found since the last report. */
export interface ScanProgress extends DatasetTotals {
  readonly ignoredCount: number;
  /** Classes that are new, or whose count is another, since the last time; 0 while no image of theirs is found. */
  readonly changes: readonly ClassCount[];
}
