/** A PNG of one grey. */
import { writePng } from './write_png.ts';

/** @param size width and height in pixels */
export function greyPng(size: number, grey = 128): Buffer {
  const rows = Buffer.alloc(size * (size + 1), grey);
  for (let row = 0; row < size; row++) rows[row * (size + 1)] = 0;
  return writePng(size, 'grey', rows);
}
