/** Rows of pixels → a PNG (W3C recommendation), without a canvas. */
import { deflateSync } from 'node:zlib';
import { crc32 } from '../../../workers/common/crc32.ts';

const COLOUR_TYPES = { grey: 0, rgb: 2 } as const;

/**
 * @param size width and height in pixels
 * @param rows each row has one byte for its filter (none), then eight bits per channel
 */
export function writePng(size: number, colours: keyof typeof COLOUR_TYPES, rows: Uint8Array): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(size, 0);
  header.writeUInt32BE(size, 4);
  // Eight bits per channel, deflate, not interlaced.
  header.set([8, COLOUR_TYPES[colours], 0, 0, 0], 8);
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
