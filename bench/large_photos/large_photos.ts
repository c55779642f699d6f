/** The interface between the benchmark of large photos and its page. */
import type { BackendName } from '../../workers/protocol/device.ts';

/** Number of heads in a picture, in a row through its middle. */
export const HEADS = 8;
/** Width and height of a head, pixels. The face is about half of it. */
export const HEAD_PX = 120;

export interface LargePhoto {
  /** The width of the upright picture (`height`: its height). */
  readonly width: number;
  readonly height: number;
  /** The EXIF orientation: 1, or 6 for a picture that is stored on its side. */
  readonly orientation: 1 | 6;
}

/** The left and upper edge of a head in the upright picture. */
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
    /** The box of the crop: x1, y1, x2, y2 in pixels of the photo. */
    readonly box: readonly number[];
    /** The file of the aligned face, in base64. */
    readonly png: string;
  }[];
}

export interface LargePhotosPage {
  largePhotos: {
    /** @returns the file in base64 */
    make(photo: LargePhoto): Promise<string>;
    align(request: LargePhotoRequest): Promise<LargePhotoResult>;
  };
}
