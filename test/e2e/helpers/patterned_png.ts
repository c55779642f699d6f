/** A PNG with a pattern that a person and a photo make, without a canvas. */
import { deflateSync } from 'node:zlib';
import { crc32 } from '../../../workers/storage/crc32.ts';

/** @param size width and height in pixels */
export function patternedPng(size: number, person: number, photo: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(size, 0);
  header.writeUInt32BE(size, 4);
  // Eight bits of RGB, deflate, no filter, not interlaced.
  header.set([8, 2, 0, 0, 0], 8);
  const rows = Buffer.alloc(size * (3 * size + 1));
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++) {
      const isInside = (x - size / 2 - photo) ** 2 + (y - size / 2) ** 2 < (size / 4 + 2 * person) ** 2;
      const colour = isInside ? [60 * person, 20 * photo, 200] : [10 * photo, 50 * person, 90];
      rows.set(colour, y * (3 * size + 1) + 1 + 3 * x);
    }
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, checksum]);
}
