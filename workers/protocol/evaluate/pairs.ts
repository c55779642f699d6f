/** Pairs of photos, of one person and of two. */
import type { DirectoryReference } from '../data/directories.ts';

/** Where the pairs of an evaluation come from. */
export interface PairsSource {
  readonly images: readonly DirectoryReference[];
  /** The text of a pairs file; without it pairs are generated from the class folders. */
  readonly pairsText?: string | undefined;
  /** The pairs file lies in one of the folders: pairs.txt, or the one whose name begins so. */
  readonly isPairsFileInside?: boolean | undefined;
  readonly generate?: { readonly seed: number; readonly pairsPerFold: number } | undefined;
  readonly lfw_nrof_folds: number;
}
