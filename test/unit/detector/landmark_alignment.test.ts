/** Faces on their templates: the transform against known answers, and the pixels against a photo that is moved by hand. */
import fc from 'fast-check';
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  cutAligned,
  faceSimilarity,
  similarityBetween,
} from '../../../workers/detector/landmark_alignment.ts';
import { templateOfSize } from '../../../workers/protocol/align/alignment.ts';
import type { DetectedFace } from '../../../workers/protocol/align/align.ts';

type Points = readonly (readonly [number, number])[];

const faceOf = (landmarks: Points): DetectedFace => ({
  box: [0, 0, 1, 1],
  score: 1,
  landmarksX: landmarks.map(([x]) => x),
  landmarksY: landmarks.map(([, y]) => y),
});

/** Of a photo of LFW; the transform below was computed by an independent program. */
const LANDMARKS: Points = [
  [102.6152, 111.7006],
  [146.3576, 110.5177],
  [124.7113, 138.9336],
  [105.7253, 156.3471],
  [143.1779, 155.4294],
];

describe('the transform onto a template', () => {
  it('is Umeyama’s', () => {
    const { a, b, left, top } = faceSimilarity(faceOf(LANDMARKS), 'arcface', 112);
    for (const [found, expected] of [
      [a, 0.8509439361138234],
      [b, 0.004164033389854049],
      [left, -49.370798261979346],
      [top, -43.142583144815276],
    ] as const)
      expect(found).toBeCloseTo(expected, 9);
  });

  it('finds any scale, rotation and shift again', () => {
    const coordinate = fc.double({ min: -200, max: 200, noNaN: true });
    fc.assert(
      fc.property(
        fc.double({ min: 0.05, max: 20, noNaN: true }),
        fc.double({ min: -3, max: 3, noNaN: true }),
        coordinate,
        coordinate,
        (scale, angle, left, top) => {
          const [a, b] = [scale * Math.cos(angle), scale * Math.sin(angle)];
          const moved = LANDMARKS.map(([x, y]) => [a * x - b * y + left, b * x + a * y + top] as const);
          const found = similarityBetween(LANDMARKS, moved);
          expect(found.a).toBeCloseTo(a, 8);
          expect(found.b).toBeCloseTo(b, 8);
          expect(found.left).toBeCloseTo(left, 6);
          expect(found.top).toBeCloseTo(top, 6);
        },
      ),
    );
  });

  it('refuses points that are all the same', () => {
    const same: Points = LANDMARKS.map(() => [3, 4]);
    expect(() => similarityBetween(same, LANDMARKS)).toThrow('no direction');
  });

  it('has insightface’s templates of other sizes', () => {
    expect(templateOfSize('arcface', 224)[0]).toEqual([2 * 38.2946, 2 * 51.6963]);
    expect(templateOfSize('arcface', 256)[0]).toEqual([2 * (38.2946 + 8), 2 * 51.6963]);
    expect(templateOfSize('dlib', 75)[3]).toEqual([25.2, 51.5]);
  });
});

describe('a cut-out face', () => {
  const image = {
    width: 7,
    height: 5,
    data: Uint8Array.from({ length: 7 * 5 * 3 }, (_, index) => (index * 37) % 256),
  };
  const at = (x: number, y: number): number[] =>
    x < 0 || y < 0 || x >= 7 || y >= 5
      ? [0, 0, 0]
      : [...image.data.subarray((y * 7 + x) * 3, (y * 7 + x) * 3 + 3)];
  const pixel = (data: Uint8Array, size: number, x: number, y: number): number[] => [
    ...data.subarray((y * size + x) * 3, (y * size + x) * 3 + 3),
  ];

  it('is the photo where nothing moves, and black outside of it', () => {
    const { data } = cutAligned(image, { a: 1, b: 0, left: 1, top: 2 }, 9);
    for (let y = 0; y < 9; y++)
      for (let x = 0; x < 9; x++) expect(pixel(data, 9, x, y)).toEqual(at(x - 1, y - 2));
  });

  it('turns by a right angle', () => {
    // x' = −y + 4, y' = x
    const { data } = cutAligned(image, { a: 0, b: 1, left: 4, top: 0 }, 7);
    for (let y = 0; y < 7; y++)
      for (let x = 0; x < 7; x++) expect(pixel(data, 7, x, y)).toEqual(at(y, 4 - x));
  });

  it('mixes neighbours by their distance', () => {
    const { data } = cutAligned(image, { a: 1, b: 0, left: -0.25, top: -0.5 }, 4);
    const expected = [0, 1, 2].map((c) =>
      Math.floor(
        0.5 * (0.75 * at(1, 1)[c]! + 0.25 * at(2, 1)[c]!) +
          0.5 * (0.75 * at(1, 2)[c]! + 0.25 * at(2, 2)[c]!) +
          0.5,
      ),
    );
    expect(pixel(data, 4, 1, 1)).toEqual(expected);
  });
});

const fixture = '../shared/fixtures/arcface-112.json';
it.skipIf(!existsSync(fixture))('has the transforms of all faces of the reference', () => {
  const { faces } = JSON.parse(readFileSync(fixture, 'utf8')) as {
    faces: { landmarks: Points; matrix: [[number, number, number], [number, number, number]] }[];
  };
  for (const { landmarks, matrix } of faces) {
    const { a, b, left, top } = faceSimilarity(faceOf(landmarks), 'arcface', 112);
    const found = [a, -b, left, b, a, top];
    found.forEach((value, index) => expect(value).toBeCloseTo(matrix.flat()[index]!, 9));
  }
  expect(faces.length).toBeGreaterThan(30);
});
