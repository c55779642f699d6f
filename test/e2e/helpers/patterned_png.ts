/** A PNG with a pattern that depends on the person and the photo. */
import { writePng } from './write_png.ts';

/** @param size width and height in pixels */
export function patternedPng(size: number, person: number, photo: number): Buffer {
  const rows = Buffer.alloc(size * (3 * size + 1));
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++) {
      const isInside = (x - size / 2 - photo) ** 2 + (y - size / 2) ** 2 < (size / 4 + 2 * person) ** 2;
      const colour = isInside ? [60 * person, 20 * photo, 200] : [10 * photo, 50 * person, 90];
      rows.set(colour, y * (3 * size + 1) + 1 + 3 * x);
    }
  return writePng(size, 'rgb', rows);
}
