/** Sets of pictures in the browser's own storage: aligned faces, and drawn photos. */
import type { DirectoryReference } from './directories.ts';
import type { AlignOptions } from '../align/align.ts';

export interface StoredSet {
  /** In the private file system. */
  readonly path: string;
  readonly kind: 'aligned' | 'drawn';
  /** The names of the folders that the photos lay in; undefined where that was not noted down. */
  readonly sourceNames?: readonly string[] | undefined;
  /** Milliseconds since 1970; 0 where it is not known. */
  readonly lastUsedAt: number;
}

export interface StoredSetSize {
  readonly personCount: number;
  readonly pictureCount: number;
  /** Of all its files. */
  readonly sizeBytes: number;
}

/** The settings that sets of one source are told apart by. */
export type SetFormat = Pick<AlignOptions, 'image_size' | 'margin' | 'detect_multiple_faces'>;

/** Where the faces of some folders go. */
export type SetForSource =
  /** The set that was made of these very folders. */
  | { readonly kind: 'own'; readonly path: string }
  /** No set has the name. */
  | { readonly kind: 'free'; readonly path: string }
  /** Sets with the name are there, of other folders or of unknown ones, the newest first. */
  | { readonly kind: 'taken'; readonly sets: readonly StoredSet[]; readonly freePath: string };

export interface SourceOfSet {
  readonly folders: readonly DirectoryReference[];
  /** Of the folders, as people read it. */
  readonly name: string;
  readonly format: SetFormat;
}
