/** Ticks of an axis: even, round, within the axis, and as many as there is room for. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { axisTicks } from '../../../src/evaluate/axis_ticks.ts';

it('gives round numbers', () => {
  expect(axisTicks(0.3, 0.71, 5)).toEqual([0.3, 0.4, 0.5, 0.6, 0.7]);
  expect(axisTicks(0, 4, 8)).toEqual([0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4]);
  expect(axisTicks(1, 1, 5)).toEqual([]);
});

it('gives even ones, within the axis, and not too many', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 4, noNaN: true }),
      fc.double({ min: 1e-3, max: 4, noNaN: true }),
      fc.integer({ min: 2, max: 12 }),
      (start, span, most) => {
        const ticks = axisTicks(start, start + span, most);
        expect(ticks.length).toBeGreaterThan(0);
        expect(ticks.length).toBeLessThanOrEqual(most + 1);
        for (const tick of ticks) {
          expect(tick).toBeGreaterThanOrEqual(start - 1e-6);
          expect(tick).toBeLessThanOrEqual(start + span + 1e-6);
        }
        const steps = ticks.slice(1).map((tick, index) => tick - ticks[index]!);
        for (const step of steps) expect(step).toBeCloseTo(steps[0]!, 6);
      },
    ),
  );
});
