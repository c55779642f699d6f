/**
 * The formats that photos come in: which of them this program reads, and what to do about the others. A file is known
 * by its name before it is opened, and by its first bytes afterwards; where the two differ, the bytes are right.
 */

export type PhotoFormatName =
  | 'JPEG'
  | 'PNG'
  | 'WebP'
  | 'GIF'
  | 'BMP'
  | 'AVIF'
  | 'TIFF'
  | 'PNM'
  | 'HEIC'
  | 'JPEG 2000'
  | 'JPEG XL'
  | 'ICO'
  | 'Photoshop'
  | 'camera raw'
  | 'SVG';

export interface PhotoFormat {
  readonly name: PhotoFormatName;
  /** Of file names, in lower case, without the dot. */
  readonly extensions: readonly string[];
  /** `in-some-browsers`: Safari reads HEIC, other browsers do not. */
  readonly isRead: 'yes' | 'in-some-browsers' | 'no';
  /** What the person can do about a photo that is not read. */
  readonly wayForward?: string;
}

const CONVERT = 'convert it to JPEG or PNG';

export const PHOTO_FORMATS: readonly PhotoFormat[] = [
  { name: 'JPEG', extensions: ['jpg', 'jpeg', 'jpe', 'jfif'], isRead: 'yes' },
  { name: 'PNG', extensions: ['png'], isRead: 'yes' },
  { name: 'WebP', extensions: ['webp'], isRead: 'yes' },
  { name: 'GIF', extensions: ['gif'], isRead: 'yes' },
  { name: 'BMP', extensions: ['bmp', 'dib'], isRead: 'yes' },
  { name: 'AVIF', extensions: ['avif'], isRead: 'yes' },
  { name: 'TIFF', extensions: ['tif', 'tiff'], isRead: 'yes' },
  { name: 'PNM', extensions: ['ppm', 'pgm', 'pnm'], isRead: 'yes' },
  {
    name: 'HEIC',
    extensions: ['heic', 'heif', 'hif'],
    isRead: 'in-some-browsers',
    wayForward: 'convert it to JPEG, or use Safari',
  },
  {
    name: 'JPEG 2000',
    extensions: ['jp2', 'j2k', 'j2c', 'jpf', 'jpx', 'jpm'],
    isRead: 'no',
    wayForward: CONVERT,
  },
  { name: 'JPEG XL', extensions: ['jxl'], isRead: 'no', wayForward: CONVERT },
  { name: 'ICO', extensions: ['ico', 'cur'], isRead: 'no', wayForward: CONVERT },
  { name: 'Photoshop', extensions: ['psd', 'psb'], isRead: 'no', wayForward: CONVERT },
  {
    name: 'camera raw',
    extensions: ['dng', 'cr2', 'cr3', 'crw', 'nef', 'nrw', 'arw', 'sr2', 'orf', 'rw2', 'raf', 'pef', 'srw'],
    isRead: 'no',
    wayForward: 'export it as JPEG from a photo program',
  },
  { name: 'SVG', extensions: ['svg', 'svgz'], isRead: 'no', wayForward: 'export it as JPEG or PNG' },
];

const BY_NAME = new Map(PHOTO_FORMATS.map((format) => [format.name, format]));
const BY_EXTENSION = new Map(
  PHOTO_FORMATS.flatMap((format) => format.extensions.map((extension) => [extension, format] as const)),
);

/** @returns undefined for a name that no photo has */
export function photoFormatOfPath(path: string): PhotoFormat | undefined {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const dot = name.lastIndexOf('.');
  return dot > 0 ? BY_EXTENSION.get(name.slice(dot + 1).toLowerCase()) : undefined;
}

/** How many of a file's first bytes `photoFormatOfContent` looks at. */
export const FORMAT_BYTES = 64;

/** @param head the file's first bytes; @returns undefined for what is no photo, or of an unknown kind */
export function photoFormatOfContent(head: Uint8Array): PhotoFormat | undefined {
  const name = nameOfContent(head);
  return name && BY_NAME.get(name);
}

/** The end of a sentence that begins with the photo's name: `… cannot be read as an image: <this>.` */
export function unreadableFormatCause({ name, isRead, wayForward = CONVERT }: PhotoFormat): string {
  const article = /^[AEI]/.test(name) ? 'an' : 'a';
  const what = name === 'camera raw' ? 'a photo in a camera’s raw format' : `${article} ${name} picture`;
  return isRead === 'in-some-browsers'
    ? `it is ${article} ${name} photo, which this browser does not support; ${wayForward}`
    : `it is ${what}, which this program does not read; ${wayForward}`;
}

/** ISO/IEC 23008-12: brands of files that hold HEVC pictures, or pictures of an unnamed kind. */
const HEIC_BRANDS = new Set(['heic', 'heix', 'heim', 'heis', 'hevc', 'hevx', 'hevm', 'hevs', 'mif1', 'msf1']);
const AVIF_BRANDS = new Set(['avif', 'avis']);

function nameOfContent(head: Uint8Array): PhotoFormatName | undefined {
  const begins = (...bytes: readonly number[]): boolean => bytes.every((byte, at) => head[at] === byte);
  const text = (at: number, length: number): string => String.fromCharCode(...head.subarray(at, at + length));
  if (begins(0xff, 0xd8)) return 'JPEG';
  if (begins(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)) return 'PNG';
  if (text(0, 4) === 'RIFF' && text(8, 4) === 'WEBP') return 'WebP';
  if (/^GIF8[79]a/.test(text(0, 6))) return 'GIF';
  if (text(0, 2) === 'BM') return 'BMP';
  if (text(4, 4) === 'ftyp') return brandsName(head, text);
  // Canon's raw format is a TIFF file with a mark of its own.
  if (begins(0x49, 0x49, 0x2a, 0) && text(8, 2) === 'CR') return 'camera raw';
  if (begins(0x49, 0x49, 0x2a, 0) || begins(0x4d, 0x4d, 0, 0x2a)) return 'TIFF';
  if (begins(0x49, 0x49, 0x2b, 0) || begins(0x4d, 0x4d, 0, 0x2b)) return 'TIFF';
  if (/^P[56][\s#]/.test(text(0, 3))) return 'PNM';
  if (text(4, 4) === 'jP  ' || begins(0xff, 0x4f, 0xff, 0x51)) return 'JPEG 2000';
  if (text(4, 4) === 'JXL ' || begins(0xff, 0x0a)) return 'JPEG XL';
  if (begins(0, 0, 1, 0) || begins(0, 0, 2, 0)) return 'ICO';
  if (text(0, 4) === '8BPS') return 'Photoshop';
  if (text(0, 15) === 'FUJIFILMCCD-RAW') return 'camera raw';
  if (/^\s*<svg|^\s*<\?xml[^>]*>\s*<svg/.test(text(0, FORMAT_BYTES))) return 'SVG';
  return undefined;
}

function brandsName(
  head: Uint8Array,
  text: (at: number, length: number) => string,
): PhotoFormatName | undefined {
  const length = new DataView(head.buffer, head.byteOffset, head.byteLength).getUint32(0);
  const brands = [text(8, 4)];
  for (let at = 16; at + 4 <= Math.min(length, head.length); at += 4) brands.push(text(at, 4));
  if (brands[0] === 'crx ') return 'camera raw';
  if (brands[0] === 'jxl ') return 'JPEG XL';
  if (brands.some((brand) => AVIF_BRANDS.has(brand))) return 'AVIF';
  return brands.some((brand) => HEIC_BRANDS.has(brand)) ? 'HEIC' : undefined;
}
