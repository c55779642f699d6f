/** Panning and zooming the map: the point under the pointer stays there. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { identityColour } from '../../../src/use/inspect/identity_colours.ts';
import {
  fitView,
  pointAt,
  pointsWithRoom,
  shiftView,
  toScreenX,
  toScreenY,
  zoomView,
} from '../../../src/use/inspect/map_view.ts';
import { PointerGestures } from '../../../src/use/inspect/pointer_gestures.ts';

const SIZE = { width: 640, height: 400 };
const coordinate = fc.double({ min: -50, max: 50, noNaN: true });
const points = fc
  .array(fc.tuple(coordinate, coordinate), { minLength: 2, maxLength: 40 })
  .map((list) => Float32Array.from(list.flat()))
  // Equal points have no extent to fit.
  .filter((list) => Math.max(...list) - Math.min(...list) > 1e-3);

describe('the view of the map', () => {
  it('has all points in sight at first', () => {
    fc.assert(
      fc.property(points, (positions) => {
        const view = fitView(positions, SIZE);
        for (let at = 0; at < positions.length; at += 2) {
          expect(toScreenX(view, SIZE, positions[at]!)).toBeGreaterThan(-1);
          expect(toScreenX(view, SIZE, positions[at]!)).toBeLessThan(SIZE.width + 1);
          expect(toScreenY(view, SIZE, positions[at + 1]!)).toBeGreaterThan(-1);
          expect(toScreenY(view, SIZE, positions[at + 1]!)).toBeLessThan(SIZE.height + 1);
        }
      }),
    );
    expect(fitView(new Float32Array(), SIZE).scale).toBe(1);
    expect(fitView(Float32Array.of(3, 4), SIZE)).toEqual({ x: 3, y: 4, scale: 1 });
  });

  it('keeps the place that is zoomed around, and is bounded', () => {
    fc.assert(
      fc.property(
        points,
        fc.double({ min: 1e-9, max: 1e9, noNaN: true }),
        fc.nat(640),
        fc.nat(400),
        (positions, factor, x, y) => {
          const fit = fitView(positions, SIZE);
          const before = shiftView(fit, 31, -17);
          const after = zoomView(before, factor, { x, y }, SIZE, fit);
          const mapX = before.x + (x - SIZE.width / 2) / before.scale;
          const mapY = before.y + (y - SIZE.height / 2) / before.scale;
          expect(toScreenX(after, SIZE, mapX)).toBeCloseTo(x, 3);
          expect(toScreenY(after, SIZE, mapY)).toBeCloseTo(y, 3);
          expect(after.scale / fit.scale).toBeGreaterThanOrEqual(0.499);
          expect(after.scale / fit.scale).toBeLessThanOrEqual(401);
        },
      ),
    );
  });

  it('finds the point under the pointer, the nearest of several', () => {
    fc.assert(
      fc.property(points, fc.nat(640), fc.nat(400), (positions, x, y) => {
        const view = fitView(positions, SIZE);
        const distances = Array.from({ length: positions.length / 2 }, (_, row) =>
          Math.hypot(
            toScreenX(view, SIZE, positions[2 * row]!) - x,
            toScreenY(view, SIZE, positions[2 * row + 1]!) - y,
          ),
        );
        const nearest = Math.min(...distances);
        const found = pointAt(positions, view, SIZE, { x, y }, 20);
        if (nearest > 20.01) expect(found).toBeUndefined();
        else if (nearest < 19.99) expect(distances[found!]).toBeCloseTo(nearest, 3);
      }),
    );
  });

  it('finds points with room for a picture', () => {
    // Three together, one alone, one out of sight.
    const positions = Float32Array.of(0, 0, 1, 0, 0, 1, 100, 100, 1e6, 0);
    const view = { x: 50, y: 50, scale: 3 };
    expect(pointsWithRoom(positions, view, SIZE, 42, 2)).toEqual([3]);
    expect(pointsWithRoom(positions, view, SIZE, 42, 3)).toEqual([0, 3]);
  });

  it('gives neighbours in the list colours that differ', () => {
    const hues = Array.from({ length: 8 }, (_, label) =>
      Number(/([\d.]+)\)$/.exec(identityColour(label, false))![1]),
    );
    for (let a = 0; a < hues.length; a++)
      for (let b = a + 1; b < hues.length; b++) {
        const apart = Math.abs(hues[a]! - hues[b]!);
        expect(Math.min(apart, 360 - apart)).toBeGreaterThan(30);
      }
  });
});

describe('pointers on the map', () => {
  it('shift with one, zoom with two, and click where they hardly move', () => {
    const gestures = new PointerGestures();
    gestures.press(1, { x: 10, y: 10 });
    expect(gestures.move(1, { x: 12, y: 11 })).toBeUndefined();
    expect(gestures.move(1, { x: 30, y: 20 })).toMatchObject({ shiftX: 18, shiftY: 9, factor: 1 });
    gestures.press(2, { x: 50, y: 20 });
    const zoom = gestures.move(2, { x: 70, y: 20 })!;
    expect(zoom).toMatchObject({ factor: 2, shiftX: 10, shiftY: 0, around: { x: 50, y: 20 } });
    expect(gestures.release(2)).toBe(false);
    expect(gestures.release(1)).toBe(false);
    gestures.press(3, { x: 5, y: 5 });
    gestures.move(3, { x: 6, y: 6 });
    expect(gestures.release(3)).toBe(true);
    // A pointer that was never pressed, as after a drag that began elsewhere.
    expect(gestures.release(3)).toBe(false);
    expect(gestures.move(9, { x: 0, y: 0 })).toBeUndefined();
  });
});
