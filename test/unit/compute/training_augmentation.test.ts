import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  centredTransforms,
  drawTransforms,
  prepareImages,
  rotateBicubic,
} from '../../../workers/compute/step/augmentation.ts';
import { dropoutMask } from '../../../workers/compute/step/dropout.ts';

function picture(width: number, height: number): Uint8Array {
  return Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 37 + (i >> 3)) % 256);
}

describe('image preparation', () => {
  it('crops, pads and flips as an index calculation says', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 9 }),
        fc.nat(1000),
        (width, height, size, step) => {
          const pixels = picture(width, height);
          const options = { random_crop: true, random_flip: true, random_rotate: false };
          const transforms = drawTransforms(1, { width, height }, size, options, 666, step);
          const out = prepareImages({ count: 1, width, height, pixels, transforms }, size, true);
          const [left, top, flip] = [transforms.offsetX[0]!, transforms.offsetY[0]!, transforms.flip[0]!];
          if (width >= size) expect(left >= 0 && left + size <= width).toBe(true);
          if (height < size) expect(top + Math.floor((size - height) / 2)).toBe(0);
          for (let y = 0; y < size; y++)
            for (let x = 0; x < size; x++) {
              const sourceX = left + (flip ? size - 1 - x : x);
              const sourceY = top + y;
              const inside = sourceX >= 0 && sourceY >= 0 && sourceX < width && sourceY < height;
              const value = inside ? pixels[(sourceY * width + sourceX) * 3 + 1]! : 0;
              expect(out[(y * size + x) * 3 + 1]).toBe(Math.fround((value - 127.5) / 128));
            }
        },
      ),
    );
  });

  it('standardises each image by its own mean and deviation', () => {
    const pixels = picture(8, 8);
    const batch = {
      count: 1,
      width: 8,
      height: 8,
      pixels,
      transforms: centredTransforms(1, { width: 8, height: 8 }, 8),
    };
    const out = prepareImages(batch, 8, false);
    const mean = out.reduce((sum, value) => sum + value, 0) / out.length;
    const variance = out.reduce((sum, value) => sum + value * value, 0) / out.length;
    expect(mean).toBeCloseTo(0, 6);
    expect(variance).toBeCloseTo(1, 5);
    // A picture of one colour has no deviation, so it is divided by 1/√N.
    const plain = prepareImages({ ...batch, pixels: new Uint8Array(192).fill(9) }, 8, false);
    expect(plain.every((value) => value === 0)).toBe(true);
  });

  it('rotates counter-clockwise about the centre', () => {
    // One white pixel to the right of the centre moves up.
    const size = 21;
    const pixels = new Uint8Array(size * size * 3);
    pixels.fill(255, (10 * size + 18) * 3, (10 * size + 18) * 3 + 3);
    const turned = rotateBicubic(pixels, size, size, 10);
    let brightest = 0;
    for (let i = 0; i < turned.length; i += 3) if (turned[i]! > turned[brightest]!) brightest = i;
    const [y, x] = [Math.floor(brightest / 3 / size), (brightest / 3) % size];
    expect([x, y]).toEqual([
      10 + Math.round(8 * Math.cos(Math.PI / 18)),
      10 - Math.round(8 * Math.sin(Math.PI / 18)),
    ]);
    const straight = picture(7, 5);
    expect(rotateBicubic(straight, 7, 5, 0)).toEqual(straight);
  });

  it('draws the same for the same seed, step and place, and evenly', () => {
    const options = { random_crop: true, random_flip: true, random_rotate: true };
    const stored = { width: 182, height: 182 };
    const once = drawTransforms(2000, stored, 160, options, 5, 77);
    expect(drawTransforms(2000, stored, 160, options, 5, 77)).toEqual(once);
    const flips = once.flip.reduce((sum, flip) => sum + flip, 0);
    expect(Math.abs(flips - 1000)).toBeLessThan(120);
    expect(new Set(once.offsetX).size).toBe(23);
    expect(Math.max(...once.angleDegrees)).toBeLessThanOrEqual(10);
    expect(Math.min(...once.angleDegrees)).toBeLessThan(-9.5);
  });
});

it('dropout keeps its share and its mean', () => {
  const mask = dropoutMask(666, 3, 20_000, 0.8);
  const kept = mask.filter((value) => value !== 0);
  expect(Math.abs(kept.length / mask.length - 0.8)).toBeLessThan(0.015);
  expect(kept.every((value) => value === 1.25)).toBe(true);
  expect(dropoutMask(666, 4, 20_000, 0.8)).not.toEqual(mask);
});
