/** Finds photos in the wrong folder. The figures agree with a plain computation. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  findSuspects,
  measureFits,
  median,
  OUTLIER_DEVIATION,
} from '../../../workers/evaluation/inspection/outliers.ts';
import { runToEnd } from '../jobs/run_to_end.ts';
import { distance, drawClasses, rowOf, unit, type DrawnClasses } from './inspection_embeddings.ts';

/** The mean of rows, term by term. */
function meanOf(photos: DrawnClasses, rows: readonly number[]): number[] {
  return Array.from(
    { length: photos.dimension },
    (_, i) => rows.reduce((sum, row) => sum + rowOf(photos, row)[i]!, 0) / rows.length,
  );
}

const rowsOf = ({ labels }: DrawnClasses, label: number): number[] =>
  Array.from(labels.keys()).filter((row) => labels[row] === label);

describe('how photos fit their classes', () => {
  it('is what a plain computation gives', () => {
    fc.assert(
      fc.property(
        fc.nat(1e6),
        fc.integer({ min: 2, max: 7 }),
        fc.integer({ min: 1, max: 5 }),
        (key, classCount, photosEach) => {
          const photos = drawClasses(key, { classCount, photos: photosEach, dimension: 5, spread: 1 });
          const isLeftOut = Uint8Array.from(photos.labels, (_, row) => Number((row * 7 + key) % 5 === 0));
          const fits = runToEnd(measureFits({ ...photos, isLeftOut }));
          const kept = (label: number): number[] => rowsOf(photos, label).filter((row) => !isLeftOut[row]);
          photos.labels.forEach((label, row) => {
            const others = kept(label).filter((other) => other !== row);
            if (isLeftOut[row]) expect(fits.centreDistances[row]).toBeNaN();
            else
              expect(fits.centreDistances[row]).toBeCloseTo(
                distance(rowOf(photos, row), meanOf(photos, kept(label))),
                5,
              );
            if (others.length === 0) expect(fits.ownDistances[row]).toBeNaN();
            else
              expect(fits.ownDistances[row]).toBeCloseTo(
                distance(rowOf(photos, row), unit(meanOf(photos, others))),
                4,
              );
            const centres = Array.from({ length: classCount }, (_, other) => other)
              .filter((other) => other !== label && kept(other).length > 0)
              .map((other) => ({
                other,
                distance: distance(rowOf(photos, row), unit(meanOf(photos, kept(other)))),
              }));
            const nearest = Math.min(...centres.map((centre) => centre.distance));
            if (centres.length === 0) return expect(fits.nearestClasses[row]).toBe(-1);
            expect(fits.nearestDistances[row]).toBeCloseTo(nearest, 4);
            expect(centres.find(({ other }) => other === fits.nearestClasses[row])!.distance).toBeCloseTo(
              nearest,
              4,
            );
          });
        },
      ),
      { numRuns: 60 },
    );
  });

  it('puts photos in the wrong folder first, and says whose they are', () => {
    fc.assert(
      fc.property(fc.nat(1e6), fc.integer({ min: 3, max: 20 }), (key, photosEach) => {
        const photos = drawClasses(key, { classCount: 12, photos: photosEach, dimension: 32, spread: 0.6 });
        const labels = photos.labels.slice();
        const strangers = [0, photosEach * 5 + 1];
        const owners = strangers.map((row) => labels[row]!);
        labels[strangers[0]!] = 7;
        labels[strangers[1]!] = 9;
        const fits = runToEnd(measureFits({ ...photos, labels }));
        const suspects = findSuspects(fits);
        expect(new Set(suspects.slice(0, 2))).toEqual(new Set(strangers));
        strangers.forEach((row, at) => expect(fits.nearestClasses[row]).toBe(owners[at]));
        for (const row of suspects)
          expect(fits.ratios[row]! > 1 || fits.deviations[row]! > OUTLIER_DEVIATION).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  it('finds a photo of nobody: far from its class, and near to no other', () => {
    const photos = drawClasses(11, { classCount: 8, photos: 10, dimension: 64, spread: 0.4 });
    // Halfway between its own person and the opposite of everybody.
    const away = unit(meanOf(photos, [...photos.labels.keys()]).map((value) => -value));
    const own = rowOf(photos, 3);
    own.set(unit(Array.from(own, (value, i) => 0.75 * value + 0.6 * away[i]!)));
    const fits = runToEnd(measureFits(photos));
    expect(fits.ratios[3]).toBeLessThan(1);
    expect(fits.deviations[3]).toBeGreaterThan(OUTLIER_DEVIATION);
    expect([...findSuspects(fits)]).toContain(3);
  });

  it('does not list what is left out, and says nothing without anything to compare with', () => {
    const photos = drawClasses(5, { classCount: 4, photos: 6, dimension: 16, spread: 0.5 });
    const labels = photos.labels.slice();
    labels[0] = 2;
    const isLeftOut = new Uint8Array(labels.length);
    isLeftOut[0] = 1;
    const fits = runToEnd(measureFits({ ...photos, labels, isLeftOut }));
    expect([...findSuspects(fits, isLeftOut)]).not.toContain(0);
    // It is still measured.
    expect(fits.ratios[0]).toBeGreaterThan(1);
    const alone = runToEnd(measureFits(drawClasses(5, { classCount: 1, photos: 1 })));
    expect(alone.ownDistances[0]).toBeNaN();
    expect(alone.nearestClasses[0]).toBe(-1);
    expect([...findSuspects(alone)]).toEqual([]);
  });

  it('finds nothing far in a class of copies', () => {
    const photos = drawClasses(9, { classCount: 3, photos: 5, spread: 0 });
    const fits = runToEnd(measureFits(photos));
    expect([...findSuspects(fits)]).toEqual([]);
    expect([...fits.deviations].every(Number.isFinite)).toBe(true);
  });

  it('knows the median', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([])).toBeNaN();
  });
});
