/** Photos as taken, each compared with each. */
import type { DirectoryReference } from '../data/directories.ts';
import type { BackendName } from '../device.ts';
import type { ModelReference } from '../models/models.ts';

/** The original's compare: photos as taken, aligned on the spot. */
export interface CompareRequest {
  readonly model: ModelReference;
  readonly images: readonly { readonly directory: DirectoryReference; readonly path: string }[];
  /** Around the face, pixels of the photo. */
  readonly margin: number;
  /** Of the aligned faces, pixels; default: the model's own. */
  readonly image_size?: number | undefined;
  /** Default: of several faces on a photo the main one. */
  readonly allFaces?: boolean | undefined;
  /** PNG files of the aligned faces come back. */
  readonly includeCrops?: boolean | undefined;
  readonly backend?: BackendName | undefined;
}

export interface CompareResult {
  /** A face each, in the order asked for; photos without one are left out. */
  readonly images: readonly {
    /** In the request. */
    readonly index: number;
    readonly path: string;
    /** From 1, of the photo's. */
    readonly face: number;
    readonly faceCount: number;
    readonly crop?: Blob | undefined;
  }[];
  readonly failures: readonly { readonly path: string; readonly message: string }[];
  /** Euclidean, a row an image. */
  readonly distances: readonly (readonly number[])[];
}
