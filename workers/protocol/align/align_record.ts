/** What an alignment notes down about each photo; see docs/formats.md. */
import type { AlignOptions, DetectedFace } from './align.ts';

/** The settings that decide how an aligned face looks. */
export type AlignSettings = Omit<AlignOptions, 'random_order'>;

export interface RecordedOutput {
  readonly path: string;
  /** Of the file as it was written: another size means that the file is another one. */
  readonly sizeBytes: number;
  /** Index into the faces. */
  readonly face: number;
  /** What was cut out, in the photo's pixels: x1, y1, x2, y2. */
  readonly box: readonly [number, number, number, number];
}

export interface PhotoRecord {
  /** The photo's path below its folder. */
  readonly photo: string;
  readonly sizeBytes: number;
  /** Milliseconds since 1970; 0 where it is not known. */
  readonly modifiedMs: number;
  /** Of the photo's bytes, hexadecimal; empty where the browser offers no digest. */
  readonly sha256: string;
  readonly width: number;
  readonly height: number;
  readonly settings: AlignSettings;
  /** All faces that were found. */
  readonly faces: readonly DetectedFace[];
  /** Those that were written. */
  readonly outputs: readonly RecordedOutput[];
  /** A person chose this face, or tried this photo with settings of its own. */
  readonly isByHand: boolean;
}

/** How the photos of a folder stand to what an output folder holds. */
export interface AlignPlanCounts {
  readonly totalImages: number;
  /** There already: the same photo with the same settings. */
  readonly unchanged: number;
  /** There already, without a record of how they were made (the original pipeline, or an earlier version): trusted. */
  readonly withoutRecord: number;
  /** Not there yet. */
  readonly missing: number;
  /** The photo's content is another one than that of the face that is there. */
  readonly changedPhotos: number;
  /** Made with other settings. */
  readonly otherSettings: number;
  /** Of those with other settings: a person's choice of the face is kept. */
  readonly keptByHand: number;
  readonly setAside: number;
  /** Faces of photos that are not in the input. */
  readonly withoutPhoto: readonly FacesWithoutPhoto[];
}

export interface FacesWithoutPhoto {
  /** The photo that is gone; undefined where no record names it. */
  readonly photo: string | undefined;
  readonly outputPaths: readonly string[];
}
