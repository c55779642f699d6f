/** inspect.worker: a dataset as a model sees it. One such worker embeds and ends, another holds the embeddings. */
import type { JobControl } from '../job_control.ts';
import type { DirectoryReference } from '../data/directories.ts';
import type { BackendName } from '../device.ts';
import type { EvaluationProgress } from '../evaluate/evaluate.ts';
import type { ModelReference } from '../models/models.ts';
import type { SkippedFiles } from '../data/skipped_files.ts';

export interface InspectRequest {
  readonly model: ModelReference;
  readonly data: readonly DirectoryReference[];
  readonly batch_size: number;
  /** Side of the square that is cut out of each image's centre, pixels; default: the model's own. */
  readonly image_size?: number | undefined;
  readonly backend?: BackendName | undefined;
}

/** A dataset's photos, those that could be read, with their embeddings. */
export interface EmbeddedPhotos {
  readonly classNames: readonly string[];
  /** `<class>/<file>` of each, with NUL between them. */
  readonly paths: string;
  /** The place of each photo's folder in the request's data. */
  readonly folders: Uint16Array<ArrayBuffer>;
  /** The place of each photo's class in classNames. */
  readonly labels: Uint32Array<ArrayBuffer>;
  /** l2-normalised, [photos, dimension] */
  readonly embeddings: Float32Array<ArrayBuffer>;
  readonly dimension: number;
  /** Why the others could not be read. */
  readonly failures: readonly string[];
  /** Files that are not used, by reason. */
  readonly skipped: readonly SkippedFiles[];
}

export interface PhotoMap {
  /** x and y of each photo. [photos, 2] */
  readonly positions: Float32Array<ArrayBuffer>;
  /** Of all differences between the photos, what the two axes show: 0 … 1. */
  readonly shares: readonly [number, number];
}

/** Photos are known by their places, classes by their labels. */
export interface InspectFindings {
  readonly fits: PhotoFits;
  /** Likely mislabelled, the most suspicious first; none that is left out. */
  readonly suspects: Uint32Array;
  readonly identities: IdentityPairs;
  readonly copies: PhotoPairs;
}

/** What the terminal shows. */
export interface InspectReport {
  readonly classCount: number;
  readonly imageCount: number;
  readonly failures: readonly string[];
  /** Files that are not used, by reason. */
  readonly skipped: readonly SkippedFiles[];
  /** Distances to the class centre, as filter_filename takes them. */
  readonly table: string;
  /** Undefined where there are too many photos to look at at once. */
  readonly findings?:
    | {
        readonly suspects: readonly {
          readonly path: string;
          readonly distance: number;
          /** Undefined in a dataset of one class. */
          readonly looksLike?: string | undefined;
          readonly otherDistance?: number | undefined;
        }[];
        readonly identities: readonly {
          readonly first: string;
          readonly second: string;
          readonly distance: number;
        }[];
        readonly copies: readonly {
          readonly first: string;
          readonly second: string;
          readonly distance: number;
        }[];
      }
    | undefined;
}

export interface InspectWorkerApi {
  embed(
    request: InspectRequest,
    control: JobControl,
    onProgress?: (progress: EvaluationProgress) => void,
  ): Promise<EmbeddedPhotos>;
  /** Takes the embeddings over; all that follows is about them. */
  hold(photos: EmbeddedPhotos): Promise<void>;
  /** By the two principal components. `isLeftOut` has a 1 for each photo that is not to count. */
  map(isLeftOut: Uint8Array, control: JobControl, onShare?: (share: number) => void): Promise<PhotoMap>;
  /** By neighbourhood (UMAP): [photos, 2]. `onProgress` gets the share that is done, and now and then the positions. */
  mapByNeighbours(
    control: JobControl,
    onProgress?: (share: number, positions?: Float32Array) => void,
  ): Promise<Float32Array<ArrayBuffer>>;
  inspect(
    isLeftOut: Uint8Array,
    control: JobControl,
    onShare?: (share: number) => void,
  ): Promise<InspectFindings>;
  /** For filter_filename, of the newest inspection: photos that are left out are not in it. */
  buildFilterTable(): Promise<Blob>;
  report(
    request: InspectRequest,
    control: JobControl,
    onProgress?: (progress: EvaluationProgress) => void,
  ): Promise<InspectReport>;
}

/** Pairs, the nearest first: each of the lists has one entry a pair. */
export interface NearPairs {
  readonly first: Uint32Array;
  readonly second: Uint32Array;
  /** Euclidean, of unit vectors: 0 … 2. */
  readonly distances: Float32Array;
}

export interface IdentityPairs extends NearPairs {
  /** Below it a pair is suspicious. */
  readonly threshold: number;
  /** Within it lie 95 of 100 persons’ two halves; NaN where no class has enough photos to be halved. */
  readonly halvesDistance: number;
}

export interface PhotoPairs extends NearPairs {
  /** Pairs that are so near or nearer are found. */
  readonly threshold: number;
}

/** All but centreDistances are Euclidean distances of unit vectors, 0 … 2. Each is [count]. */
export interface PhotoFits {
  /** To the mean of the class, the photo included: what the original's filter table holds. NaN for those left out. */
  readonly centreDistances: Float32Array;
  /** To the direction of the mean of the class's other photos; NaN where there are none. */
  readonly ownDistances: Float32Array;
  /** The other class whose centre is nearest; −1 where there is none. */
  readonly nearestClasses: Int32Array;
  /** To that class's centre. */
  readonly nearestDistances: Float32Array;
  /** How many times the usual deviation ownDistances is above the class's median; NaN where that is NaN. */
  readonly deviations: Float32Array;
  /**
   * ownDistances divided by nearestDistances: above 1 a photo is nearer to another class than to its own. It puts
   * mislabelled photos first more reliably than the distance, the deviation or the difference do. NaN where either is.
   */
  readonly ratios: Float32Array;
}
