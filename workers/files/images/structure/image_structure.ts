/**
 * What an image file says about itself, read before anything is decoded: how large a picture the decoder is going to
 * make room for, how it is to be turned, and whether all of it is there. A file is walked along its own structure up to
 * the picture's end, in time linear in its size and in bounded memory; what lies behind the picture (a motion photo's
 * video, zeros) does not matter.
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
  /** As stored, before orientation; of several sizes that the file names the largest. 0 × 0: it names none. */
  readonly width: number;
  readonly height: number;
  /** Whether pixels may be transparent. */
  readonly mayHaveAlpha: boolean;
  /** As the file says. Browsers apply it by themselves for some kinds. */
  readonly orientation: Orientation;
  /** Of PNG: browsers may not look for it there. */
  readonly isOrientationBehindPixels?: boolean;
  /** Whether the picture's end is missing. */
  readonly isCutOff: boolean;
  /** Why such a picture is not read, as the end of a sentence. */
  readonly unreadableCause?: string | undefined;
}

/** @returns undefined for anything that is no image, or of another kind */
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

/** The larger of two sizes, by the number of pixels. */
export function largerSize(
  a: { readonly width: number; readonly height: number },
  b: { readonly width: number; readonly height: number },
): { readonly width: number; readonly height: number } {
  return b.width * b.height > a.width * a.height ? b : a;
}
