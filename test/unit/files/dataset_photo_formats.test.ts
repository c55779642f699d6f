import { describe, expect, it } from 'vitest';
import { isImagePath, isPhotoPath } from '../../../workers/protocol/data/images.ts';
import {
  FORMAT_BYTES,
  PHOTO_FORMATS,
  photoFormatOfContent,
  photoFormatOfPath,
  unreadableFormatCause,
} from '../../../workers/protocol/data/photo_formats.ts';

const text = (value: string): number[] => [...value].map((character) => character.charCodeAt(0));
const nameOf = (...bytes: readonly number[]): string | undefined =>
  photoFormatOfContent(Uint8Array.from([...bytes, ...new Array<number>(FORMAT_BYTES)]))?.name;

describe('photo formats', () => {
  it('are known by the names of files, whatever the case', () => {
    expect(photoFormatOfPath('Ann/1.JPG')?.name).toBe('JPEG');
    expect(photoFormatOfPath('a.b/c.d.JP2')?.name).toBe('JPEG 2000');
    expect(photoFormatOfPath('favicon.ico')?.name).toBe('ICO');
    expect(photoFormatOfPath('DSC_0001.NEF')?.name).toBe('camera raw');
    for (const path of ['notes.txt', '.jpg', 'jpg', 'a.jpg/readme', '']) {
      expect(photoFormatOfPath(path)).toBeUndefined();
      expect(isPhotoPath(path)).toBe(false);
    }
    expect([isImagePath('a.heic'), isPhotoPath('a.heic')]).toEqual([false, true]);
    expect([isImagePath('a.jp2'), isPhotoPath('a.jp2')]).toEqual([false, false]);
    const extensions = PHOTO_FORMATS.flatMap((format) => format.extensions);
    expect(new Set(extensions).size).toBe(extensions.length);
  });

  it('are known by their first bytes', () => {
    expect(nameOf(0xff, 0xd8, 0xff, 0xe0)).toBe('JPEG');
    expect(nameOf(0x89, ...text('PNG\r\n\u001a\n'))).toBe('PNG');
    expect(nameOf(...text('RIFF    WEBP'))).toBe('WebP');
    expect(nameOf(...text('GIF87a'))).toBe('GIF');
    expect(nameOf(...text('BM'))).toBe('BMP');
    expect(nameOf(...text('II*\0'))).toBe('TIFF');
    expect(nameOf(...text('MM\0*'))).toBe('TIFF');
    expect(nameOf(...text('II*\0\u0010\0\0\0CR'))).toBe('camera raw');
    expect(nameOf(...text('P6\n'))).toBe('PNM');
    expect(nameOf(0, 0, 0, 12, ...text('jP  \r\n\u0087\n'))).toBe('JPEG 2000');
    expect(nameOf(0xff, 0x4f, 0xff, 0x51)).toBe('JPEG 2000');
    expect(nameOf(0, 0, 1, 0, 1, 0)).toBe('ICO');
    expect(nameOf(...text('<svg xmlns='))).toBe('SVG');
    expect(nameOf(...text('This is text.'))).toBeUndefined();
    expect(photoFormatOfContent(new Uint8Array())).toBeUndefined();
  });

  it('are distinguished by the brands of an ISO file', () => {
    const file = (...brands: readonly string[]): string | undefined =>
      nameOf(
        ...[0, 0, 0, 12 + 4 * brands.length],
        ...text(`ftyp${brands[0]!}`),
        ...[0, 0, 0, 0],
        ...text(brands.slice(1).join('')),
      );
    expect(file('heic', 'mif1')).toBe('HEIC');
    expect(file('avif', 'mif1', 'miaf')).toBe('AVIF');
    expect(file('mif1', 'avif')).toBe('AVIF');
    expect(file('mif1', 'heic')).toBe('HEIC');
    expect(file('crx ')).toBe('camera raw');
    expect(file('isom', 'mp42')).toBeUndefined();
  });

  it('come with advice if they are not supported', () => {
    expect(unreadableFormatCause(photoFormatOfPath('a.jp2')!)).toBe(
      'it is a JPEG 2000 picture, which this program does not read; convert it to JPEG or PNG',
    );
    expect(unreadableFormatCause(photoFormatOfPath('a.heic')!)).toBe(
      'it is a HEIC photo, which this browser does not support; convert it to JPEG, or use Safari',
    );
    expect(unreadableFormatCause(photoFormatOfPath('a.ico')!)).toMatch(/^it is an ICO picture/);
    expect(unreadableFormatCause(photoFormatOfPath('a.cr2')!)).toMatch(/raw format.* export it as JPEG/);
    for (const { isRead, wayForward } of PHOTO_FORMATS)
      expect(wayForward !== undefined).toBe(isRead !== 'yes');
  });
});
