/**
 * The properties of an image file, read before anything is decoded: the size for which the decoder will allocate
 * memory, the orientation, and whether the file is complete. A file is parsed along its structure up to the end of the
 * picture, in linear time and bounded memory. Data after the picture (the video of a motion photo, zeros) does not
 * matter.
 */
import { photoFormatOfContent, FORMAT_BYTES } from '../../../protocol/data/photo_formats.ts';
import { readBmp } from './bmp.ts';
import type { ByteReader } from './byte_reader.ts';
import type { Orientation } from './exif.ts';
import { readGif } from './gif.ts';
import { readIsoMedia } from './iso_media.ts';
import { readJpeg } from './jpeg.ts';
import { readPng } from './png.ts';
import { readPnm } from './pnm.ts';
import { readTiff } from './tiff.ts';
import { readWebp } from './webp.ts';

export type ImageKind = 'jpeg' | 'png' | 'gif' | 'webp' | 'bmp' | 'avif' | 'heic' | 'tiff' | 'pnm';

export interface ImageStructure {
  readonly kind: ImageKind;
  /** The stored size, before orientation. The largest one if the file has several; 0 × 0 if it has none. */
  readonly width: number;
  readonly height: number;
  /** Whether there may be transparent pixels. */
  readonly mayHaveAlpha: boolean;
  /** The orientation in the file. Browsers apply it themselves for some formats. */
  readonly orientation: Orientation;
  /** For PNG: whether the orientation is after the pixels, where some browsers do not look for it. */
  readonly isOrientationBehindPixels?: boolean;
  /** Whether the end of the picture is missing. */
  readonly isCutOff: boolean;
  /** Why the picture cannot be read, as the end of a sentence. */
  readonly unreadableCause?: string | undefined;
}

/** @returns undefined if it is not an image of a known format */
export async function readImageStructure(reader: ByteReader): Promise<ImageStructure | undefined> {
  const format = photoFormatOfContent(await reader.bytes(0, FORMAT_BYTES));
  switch (format?.name) {
    case 'JPEG':
      return { kind: 'jpeg', ...(await readJpeg(reader)) };
    case 'PNG':
      return { kind: 'png', ...(await readPng(reader)) };
    case 'GIF':
      return { kind: 'gif', ...(await readGif(reader)) };
    case 'WebP':
      return { kind: 'webp', ...(await readWebp(reader)) };
    case 'BMP':
      return { kind: 'bmp', ...(await readBmp(reader)) };
    case 'AVIF':
      return { kind: 'avif', ...(await readIsoMedia(reader)) };
    case 'HEIC':
      return { kind: 'heic', ...(await readIsoMedia(reader)) };
    case 'TIFF':
      return { kind: 'tiff', ...(await readTiff(reader)) };
    case 'PNM':
      return { kind: 'pnm', ...(await readPnm(reader)) };
    default:
      return undefined;
  }
}

/** The size with more pixels. */
export function largerSize(
  a: { readonly width: number; readonly height: number },
  b: { readonly width: number; readonly height: number },
): { readonly width: number; readonly height: number } {
  return b.width * b.height > a.width * a.height ? b : a;
}
