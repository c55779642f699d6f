import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sampleNames } from '../../../workers/jobs/sample_faces/names.ts';
import { samplePerson } from '../../../workers/jobs/sample_faces/person.ts';
import {
  MAXIMUM_ROLL_RADIANS,
  MAXIMUM_YAW_RADIANS,
  samplePhoto,
} from '../../../workers/jobs/sample_faces/photo.ts';
import { sampleFiles, sampleFolder } from '../../../workers/jobs/sample_faces/sample_dataset.ts';

describe('names', () => {
  it('are different, and parts of file names on any system', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 5000 }), (seed, count) => {
        const names = sampleNames(seed, count);
        expect(new Set(names).size).toBe(count);
        for (const name of names) expect(name).toMatch(/^[A-Z][a-z]+_[A-Z][a-z]+(_I+)?$/);
      }),
      { numRuns: 8 },
    );
  });

  it('of the first people do not depend on how many there are', () => {
    expect(sampleNames(7, 40).slice(0, 12)).toEqual(sampleNames(7, 12));
  });
});

describe('people and photos', () => {
  it('are the same for the same seed', () => {
    expect(samplePerson(4, 9)).toEqual(samplePerson(4, 9));
    expect(samplePhoto(4, 9, 2)).toEqual(samplePhoto(4, 9, 2));
    expect(samplePerson(4, 9)).not.toEqual(samplePerson(5, 9));
    expect(samplePhoto(4, 9, 2)).not.toEqual(samplePhoto(4, 9, 3));
  });

  it('differ in skin, hair and face over a dozen people', () => {
    const people = Array.from({ length: 12 }, (_, index) => samplePerson(1, index));
    expect(new Set(people.map(({ hair }) => hair.style)).size).toBeGreaterThanOrEqual(7);
    const depths = people.map(({ skinDepth }) => skinDepth).toSorted((a, b) => a - b);
    depths.slice(1).forEach((depth, index) => expect(depth - depths[index]!).toBeLessThan(0.25));
    const noses = people.map(({ nose }) => nose.width);
    expect(Math.max(...noses) - Math.min(...noses)).toBeGreaterThan(0.03);
  });

  it('are turned within the promised bounds, to both sides', () => {
    const photos = Array.from({ length: 300 }, (_, index) => samplePhoto(2, index % 20, index));
    const rolls = photos.map(({ rollRadians }) => rollRadians);
    const yaws = photos.map(({ yawRadians }) => yawRadians);
    expect(Math.max(...rolls.map(Math.abs))).toBeLessThanOrEqual(MAXIMUM_ROLL_RADIANS);
    expect(Math.max(...yaws.map(Math.abs))).toBeLessThanOrEqual(MAXIMUM_YAW_RADIANS);
    expect(Math.min(...rolls)).toBeLessThan(-0.5 * MAXIMUM_ROLL_RADIANS);
    expect(Math.max(...yaws)).toBeGreaterThan(0.5 * MAXIMUM_YAW_RADIANS);
  });
});

it('files are named as in LFW, in a folder for each choice of options', () => {
  const options = { seed: 11, people: 3, photosPerPerson: 2 };
  const files = sampleFiles(options);
  expect(files).toHaveLength(6);
  for (const { path } of files) expect(path).toMatch(/^(\w+)\/\1_000[12]\.png$/);
  expect(sampleFolder(options)).toMatch(/^sample-faces\/[\w-]*11-3x2$/);
  expect(sampleFolder({ ...options, seed: 12 })).not.toBe(sampleFolder(options));
});
