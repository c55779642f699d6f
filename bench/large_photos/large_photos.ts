/** What the benchmark of large photos and its page tell each other. */
import type { BackendName } from '../../workers/protocol/device.ts';

/** The heads of a picture: this many, in a row through its middle. */
export const HEADS = 8;
/** Width and height of a head, of which the face is about a half, pixels. */
export const HEAD_PX = 120;

export interface LargePhoto {
  /** As it is seen. */
  readonly width: number;
  readonly height: number;
  /** EXIF's: 1, or 6 for one that is stored lying on its side. */
  readonly orientation: 1 | 6;
}

/** The left and upper edge of a head, in the picture as it is seen. */
export function headPlace({ width, height }: LargePhoto, index: number): [x: number, y: number] {
  return [Math.floor(((index + 0.5) * width) / HEADS - HEAD_PX / 2), Math.floor((height - HEAD_PX) / 2)];
}

export interface LargePhotoRequest {
  readonly url: string;
  readonly backend: BackendName;
  readonly minsize: number;
  readonly imageSize: number;
  readonly margin: number;
}

export interface LargePhotoResult {
  readonly width: number;
  readonly height: number;
  readonly durationMs: number;
  /** What failed, in one sentence. */
  readonly failure?: string | undefined;
  readonly faces: readonly {
    /** Of the crop, x1, y1, x2, y2 in the photo's pixels. */
    readonly box: readonly number[];
    /** The aligned face's file, base64. */
    readonly png: string;
  }[];
}

export interface LargePhotosPage {
  largePhotos: {
    /** @returns the file, base64 */
    make(photo: LargePhoto): Promise<string>;
    align(request: LargePhotoRequest): Promise<LargePhotoResult>;
  };
}
