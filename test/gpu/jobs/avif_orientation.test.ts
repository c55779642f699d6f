/**
 * The orientation of AVIF files is in the boxes irot and imir (ISO/IEC 23008-12, 6.5.10 and 6.5.12), which the
 * browser's decoder applies. The picture is first rotated anti-clockwise, and then mirrored.
 */
import { expect, it } from 'vitest';
import { decodeImage } from '../../../workers/files/images/decode.ts';

const [WIDTH, HEIGHT] = [6, 4];
/**
 * Red grows to the right and green downwards: [40 · x, 60 · y, 100], lossless, by avifenc 0.11 -l --irot 1 --imir 1.
 */
const PICTURE =
  'AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUEAAAEGbWV0YQAAAAAAAAAoaGRscgAAAAAAAAAAcGljdAAAAAAAAAAAAAAAAGxpYmF2aWYAAAAADnBpdG0AAAAAAAEAAAAeaWxvYwAAAABEAAABAAEAAAABAAABLgAAADgAAAAoaWluZgAAAAAAAQAAABppbmZlAgAAAAABAABhdjAxQ29sb3IAAAAAfmlwcnAAAABdaXBjbwAAABRpc3BlAAAAAAAAAAYAAAAEAAAAEHBpeGkAAAAAAwgICAAAAAxhdjFDgSAAAAAAABNjb2xybmNseAABAA0AAIAAAAAJaXJvdAEAAAAJaW1pcgEAAAAZaXBtYQAAAAAAAAABAAEGAQKDBIWGAAAAQG1kYXQSAAoIOAhuwgIaAEAyKhAAAIvW+KBmlGRDWp2Nmml7U+p5q3aiK/F46qDUCD3RN9z71sJU9z3igA==';

/** @param axis 0: swaps top and bottom; 1: swaps left and right */
function picture(quarterTurns: number, axis: number): Blob {
  const bytes = Uint8Array.from(atob(PICTURE), (character) => character.charCodeAt(0));
  const text = String.fromCharCode(...bytes);
  for (const [box, value] of [
    ['irot', quarterTurns],
    ['imir', axis],
  ] as const) {
    const at = text.indexOf(box);
    expect(at).toBeGreaterThan(0);
    bytes[at + 4] = value;
  }
  return new Blob([bytes]);
}

for (const quarterTurns of [0, 1, 2, 3])
  for (const axis of [0, 1])
    it(`AVIF turned by ${quarterTurns * 90}° and mirrored along axis ${axis} is read upright`, async () => {
      const { width, height, data } = await decodeImage(picture(quarterTurns, axis), 'a.avif');
      const isTurned = quarterTurns % 2 === 1;
      expect([width, height]).toEqual(isTurned ? [HEIGHT, WIDTH] : [WIDTH, HEIGHT]);
      for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++) {
          // Undo the mirroring and the rotation, to find the stored pixel.
          let [column, row] = axis === 1 ? [width - 1 - x, y] : [x, height - 1 - y];
          let [turnedWidth, turnedHeight] = [width, height];
          for (let turn = 0; turn < quarterTurns; turn++) {
            // Before the anti-clockwise rotation, the top row was the right column.
            [column, row] = [turnedHeight - 1 - row, column];
            [turnedWidth, turnedHeight] = [turnedHeight, turnedWidth];
          }
          const [red, green, blue] = data.subarray((y * width + x) * 3);
          expect(Math.abs(red! - 40 * column)).toBeLessThan(8);
          expect(Math.abs(green! - 60 * row)).toBeLessThan(8);
          expect(Math.abs(blue! - 100)).toBeLessThan(8);
        }
    });
