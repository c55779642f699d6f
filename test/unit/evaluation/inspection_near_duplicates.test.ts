/** Finds one person under two names, and one picture twice. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  findNearIdentities,
  findNearPhotos,
} from '../../../workers/evaluation/inspection/near_duplicates.ts';
import { type NearPairs } from '../../../workers/protocol/use/inspect.ts';
import {
  findPrincipalComponents,
  projectRows,
} from '../../../workers/evaluation/inspection/principal_components.ts';
import { runToEnd } from '../jobs/run_to_end.ts';
import { distance, drawClasses, normals, rowOf, unit, type DrawnClasses } from './inspection_embeddings.ts';

const coordinatesOf = (photos: DrawnClasses, count = 8) =>
  runToEnd(projectRows(photos, runToEnd(findPrincipalComponents(photos, count))));

const pairsWithin = ({ first, second, distances }: NearPairs, threshold: number): string[] =>
  Array.from(distances, (value, at) => (value <= threshold ? [`${first[at]}-${second[at]}`] : [])).flat();

describe('identities that are near to each other', () => {
  it('are one person under two names', () => {
    fc.assert(
      fc.property(fc.nat(1e6), fc.integer({ min: 2, max: 12 }), (key, photos) => {
        const drawn = drawClasses(key, {
          classCount: 20,
          photos,
          dimension: 32,
          spread: 0.6,
          centreOf: (label) => (label === 13 ? 4 : label),
        });
        const pairs = runToEnd(findNearIdentities(drawn));
        expect([pairs.first[0], pairs.second[0]]).toEqual([4, 13]);
        expect(pairs.distances[0]).toBeLessThanOrEqual(pairs.threshold);
        // Few enough for a person to check.
        expect(pairsWithin(pairs, pairs.threshold).length).toBeLessThanOrEqual(5);
      }),
      { numRuns: 30 },
    );
  });

  it('come sorted, each pair once, with the distances of their centres', () => {
    const drawn = drawClasses(2, { classCount: 9, photos: 1, dimension: 6 });
    const { first, second, distances, halvesDistance, threshold } = runToEnd(findNearIdentities(drawn));
    expect(distances).toHaveLength(36);
    expect([...distances]).toEqual([...distances].sort((a, b) => a - b));
    expect(new Set(Array.from(first, (label, at) => `${label}-${second[at]}`)).size).toBe(36);
    first.forEach((label, at) => {
      expect(label).toBeLessThan(second[at]!);
      expect(distances[at]).toBeCloseTo(distance(rowOf(drawn, label), rowOf(drawn, second[at]!)), 4);
    });
    expect(halvesDistance).toBeNaN();
    expect(threshold).toBe(distances[2]);
  });

  it('keeps the nearest of many pairs', () => {
    const drawn = drawClasses(3, { classCount: 160, photos: 1, dimension: 6 });
    const { distances } = runToEnd(findNearIdentities(drawn));
    expect(distances).toHaveLength(2000);
    const all: number[] = [];
    for (let a = 0; a < 160; a++)
      for (let b = a + 1; b < 160; b++) all.push(distance(rowOf(drawn, a), rowOf(drawn, b)));
    all.sort((a, b) => a - b);
    for (const at of [0, 999, 1999]) expect(distances[at]).toBeCloseTo(all[at]!, 5);
  });

  it('says nothing about a person all of whose photos are left out, or who is alone', () => {
    const drawn = drawClasses(4, {
      classCount: 6,
      photos: 4,
      centreOf: (label) => (label === 5 ? 0 : label),
    });
    const isLeftOut = Uint8Array.from(drawn.labels, (label) => Number(label === 5));
    const { second } = runToEnd(findNearIdentities({ ...drawn, isLeftOut }));
    expect(second).toHaveLength(10);
    expect([...second]).not.toContain(5);
    expect(runToEnd(findNearIdentities(drawClasses(4, { classCount: 1, photos: 4 }))).threshold).toBe(0);
  });
});

describe('photos that are near to each other', () => {
  it('are those that a comparison of all pairs finds', () => {
    fc.assert(
      fc.property(fc.nat(1e6), fc.integer({ min: 1, max: 16 }), (key, components) => {
        const drawn = drawClasses(key, { classCount: 6, photos: 12, dimension: 16, spread: 0.8 });
        const normal = normals(key + 1);
        // Copies with some noise: within a class, across two classes, and two copies of one photo.
        for (const [from, to] of [
          [0, 5],
          [14, 70],
          [14, 33],
        ] as const)
          rowOf(drawn, to).set(unit(Array.from(rowOf(drawn, from), (value) => value + 0.004 * normal())));
        const pairs = runToEnd(findNearPhotos(drawn, coordinatesOf(drawn, components)));
        const expected: string[] = [];
        for (let a = 0; a < 72; a++)
          for (let b = a + 1; b < 72; b++)
            if (distance(rowOf(drawn, a), rowOf(drawn, b)) <= pairs.threshold) expected.push(`${a}-${b}`);
        expect(pairsWithin(pairs, 2).sort()).toEqual(expected.sort());
        expect(expected).toEqual(expect.arrayContaining(['0-5', '14-33', '14-70', '33-70']));
      }),
      { numRuns: 40 },
    );
  });

  it('are not found among photos that differ, nor among those left out', () => {
    const drawn = drawClasses(8, { classCount: 10, photos: 10, dimension: 64, spread: 1 });
    const coordinates = coordinatesOf(drawn);
    expect(runToEnd(findNearPhotos(drawn, coordinates)).first).toHaveLength(0);
    rowOf(drawn, 99).set(rowOf(drawn, 0));
    const again = coordinatesOf(drawn);
    expect(pairsWithin(runToEnd(findNearPhotos(drawn, again)), 2)).toEqual(['0-99']);
    const isLeftOut = new Uint8Array(100);
    isLeftOut[99] = 1;
    expect(runToEnd(findNearPhotos({ ...drawn, isLeftOut }, again)).first).toHaveLength(0);
  });

  it('are found where no person has two photos, too', () => {
    const drawn = drawClasses(8, { classCount: 5, photos: 1 });
    expect(runToEnd(findNearPhotos(drawn, coordinatesOf(drawn))).first).toHaveLength(0);
    rowOf(drawn, 4).set(rowOf(drawn, 1));
    expect(pairsWithin(runToEnd(findNearPhotos(drawn, coordinatesOf(drawn))), 2)).toEqual(['1-4']);
    const alone = drawClasses(8, { classCount: 1, photos: 1 });
    expect(runToEnd(findNearPhotos(alone, coordinatesOf(alone))).first).toHaveLength(0);
  });
});
