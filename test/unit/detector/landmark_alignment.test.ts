/** Faces on their templates: the transform against known answers, and the pixels against a photo that is moved by hand. */
import fc from 'fast-check';
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { boxOfCut, cutFace, faceCut } from '../../../workers/detector/align.ts';
import { cutOut } from '../../../workers/detector/crops.ts';
import {
  cutAligned,
  faceSimilarity,
  similarityBetween,
  type Similarity,
} from '../../../workers/detector/landmark_alignment.ts';
import { Photo } from '../../../workers/detector/photo.ts';
import { templateOfSize } from '../../../workers/protocol/align/alignment.ts';
import type { DetectedFace } from '../../../workers/protocol/align/align.ts';

type Points = readonly (readonly [number, number])[];

const faceOf = (landmarks: Points): DetectedFace => ({
  box: [0, 0, 1, 1],
  score: 1,
  landmarksX: landmarks.map(([x]) => x),
  landmarksY: landmarks.map(([, y]) => y),
});

/** The landmarks of one photo of LFW. An independent program computed the transform that the first test expects. */
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

describe('a face in a photo', () => {
  const [width, height] = [90, 70];
  const image = {
    width,
    height,
    data: Uint8Array.from({ length: width * height * 3 }, (_, index) => (index * 7919) % 251),
  };
  const options = { image_size: 24, margin: 0, alignment: 'arcface' } as const;
  /** The landmarks of the template, moved and turned a little; the last face is at the photo's edge. */
  const faces = [
    [0.3, 0.05, 12, 20],
    [0.5, -0.2, 30, 25],
    [0.4, 0.1, -12, -8],
  ].map(([a, b, left, top]) =>
    faceOf(
      templateOfSize('arcface', 112).map(
        ([x, y]) => [a! * x - b! * y + left!, b! * x + a! * y + top!] as const,
      ),
    ),
  );
  const cuts = faces.map((face) => faceCut(face, options, width, height));

  it('is the same from the part of the photo that it needs', () => {
    for (const cut of cuts) {
      const [x1, y1, x2, y2] = boxOfCut(cut, options.image_size, width, height);
      const part = { width: x2 - x1, height: y2 - y1, data: cutOut(image, x1, y1, x2 - x1, y2 - y1) };
      const found = cutAligned(part, cut as Similarity, options.image_size, [x1, y1]);
      expect(found).toEqual(cutFace(image, cut, options.image_size));
    }
  });

  it('is cut out by Photo, also when only its surroundings are kept', async () => {
    const pyramid = { minsize: 20, factor: 0.7 };
    const whole = await Photo.of(image, pyramid).cut(cuts, options.image_size);
    expect(whole).toEqual(cuts.map((cut) => cutFace(image, cut, options.image_size)));
    const photo = Photo.of(image, pyramid);
    photo.keepOnly(photo.regionsOf(faces, options));
    expect(await photo.cut(cuts, options.image_size)).toEqual(whole);
  });

  it('has no pixels where it lies outside of the photo', () => {
    const far = faceOf(templateOfSize('arcface', 112).map(([x, y]) => [x + 500, y + 500] as const));
    const cut = faceCut(far, options, width, height);
    expect(cutFace(image, cut, options.image_size)).toBeUndefined();
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
