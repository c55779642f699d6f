/** Decodes Netpbm's binary grey maps and pixel maps. Of 16 bits per sample, the upper 8 are kept. */
import { parsePnmHeader } from './structure/pnm.ts';
import type { UprightPixels } from './upright_pixels.ts';

/** Rows are read in pieces of this many bytes. */
const PIECE_BYTES = 4e6;

export async function decodePnm(
  read: (from: number, to: number) => Promise<Uint8Array>,
  target: UprightPixels,
): Promise<void> {
  const header = parsePnmHeader(await read(0, 4096));
  if (!header) throw new Error('The header is damaged.');
  const { width, height, channels, maximum, dataAt } = header;
  const sampleBytes = maximum > 255 ? 2 : 1;
  const rowBytes = width * channels * sampleBytes;
  const rowsAtOnce = Math.max(1, Math.floor(PIECE_BYTES / rowBytes));
  const rgb = new Uint8Array(width * 3);
  for (let top = 0; top < height; top += rowsAtOnce) {
    const rows = Math.min(rowsAtOnce, height - top);
    const bytes = await read(dataAt + top * rowBytes, dataAt + (top + rows) * rowBytes);
    const level = (index: number): number => {
      const value = sampleBytes === 1 ? bytes[index]! : (bytes[2 * index]! << 8) | bytes[2 * index + 1]!;
      return maximum === 255 ? value : Math.min(255, Math.round((value * 255) / maximum));
    };
    for (let y = 0; y < rows; y++) {
      for (let x = 0; x < width; x++) {
        const at = (y * width + x) * channels;
        rgb[3 * x] = level(at);
        rgb[3 * x + 1] = level(channels === 3 ? at + 1 : at);
        rgb[3 * x + 2] = level(channels === 3 ? at + 2 : at);
      }
      target.put(0, top + y, width, 1, rgb, 3);
    }
  }
}
