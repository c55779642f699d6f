/** What the page Use computes by itself: tables of distances, thresholds of evaluations, who has which faces. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { distanceTable, faceName } from '../../src/state/use/distance_table.ts';
import { evaluationThreshold } from '../../src/state/use/evaluation_threshold.ts';
import { facesById, withAnswers, withFaces } from '../../src/state/use/people.ts';
import type { EvaluationOptions } from '../../workers/protocol/evaluate.ts';
import type { FoundFace } from '../../workers/protocol/identify.ts';

const face = (id: number, photo: string, rest: Partial<FoundFace> = {}): FoundFace => ({
  id,
  photo,
  photoIndex: 0,
  person: '',
  number: 1,
  faceCount: 1,
  picture: new Blob(),
  ...rest,
});

/** RFC 4180, by a reader of its own. */
function parseTable(text: string): string[][] {
  const rows: string[][] = [[]];
  let cell = '';
  let isQuoted = false;
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!;
    if (isQuoted && char === '"' && text[at + 1] === '"') cell += text[++at]!;
    else if (char === '"') isQuoted = !isQuoted;
    else if (!isQuoted && char === ',') {
      rows.at(-1)!.push(cell);
      cell = '';
    } else if (!isQuoted && char === '\r' && text[at + 1] === '\n') {
      at++;
      rows.at(-1)!.push(cell);
      cell = '';
      rows.push([]);
    } else cell += char;
  }
  return rows.slice(0, -1);
}

describe('the table of distances', () => {
  it('has a row and a column a face', () => {
    const faces = [face(1, 'a.jpg'), face(2, 'b, "c".jpg', { number: 2, faceCount: 3 })];
    expect(parseTable(distanceTable(faces, Float64Array.of(0, 1.25, 1.25, 0)))).toEqual([
      ['', 'a.jpg', 'b, "c".jpg (face 2 of 3)'],
      ['a.jpg', '0.0000', '1.2500'],
      ['b, "c".jpg (face 2 of 3)', '1.2500', '0.0000'],
    ]);
  });

  it('is read back whatever the photos are called, and holds no formula', () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { minLength: 1, maxLength: 4 }), (names) => {
        const faces = names.map((name, id) => face(id, name));
        const rows = parseTable(distanceTable(faces, new Float64Array(names.length ** 2)));
        expect(rows).toHaveLength(names.length + 1);
        rows.slice(1).forEach(([first], row) => {
          expect(first!.replace(/^'/, '')).toBe(faceName(faces[row]!).replace(/^'/, ''));
          expect(first).not.toMatch(/^[=+\-@]/);
        });
      }),
    );
  });
});

describe('the threshold of an evaluation', () => {
  const of = (thresholds: number[], options: Partial<EvaluationOptions>) =>
    evaluationThreshold({
      result: { bestThresholdPerFold: thresholds },
      options: {
        lfw_batch_size: 100,
        lfw_distance_metric: 0,
        lfw_use_flipped_images: false,
        lfw_subtract_mean: false,
        ...options,
      },
    });

  it('is the root of a squared distance', () => {
    expect(of([1.2, 1.24], {})).toEqual({ threshold: Math.sqrt(1.22), isApproximate: false });
    // Two orientations side by side: twice the squared distance.
    expect(of([2.42], { lfw_use_flipped_images: true })).toEqual({
      threshold: expect.closeTo(1.1, 9),
      isApproximate: true,
    });
  });

  it('is the chord of an angle, for unit vectors at that angle', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, noNaN: true }), (share) => {
        const angle = share * Math.PI;
        const distance = Math.hypot(1 - Math.cos(angle), Math.sin(angle));
        const { threshold, isApproximate } = of([share], { lfw_distance_metric: 1, lfw_subtract_mean: true });
        expect(threshold).toBeCloseTo(distance, 9);
        expect(isApproximate).toBe(true);
      }),
    );
  });
});

describe('enrolled people', () => {
  it('get the faces of their names', () => {
    const ann = [face(1, 'a', { person: 'Ann' }), face(2, 'b', { person: 'Ann' })];
    const bob = face(3, 'c', { person: 'Bob' });
    const people = withFaces(withFaces([], [ann[0]!, bob]), [ann[1]!]);
    expect(people).toEqual([
      { name: 'Ann', faces: ann },
      { name: 'Bob', faces: [bob] },
    ]);
    expect(facesById(people).get(3)).toBe(bob);
  });

  it('are the answers to the faces asked about, in their order', () => {
    const faces = [face(5, 'x'), face(4, 'y'), face(9, 'z')];
    const answer = (id: number) => ({ id, person: undefined, distance: id, nearest: [] });
    expect(withAnswers(faces, [answer(4), answer(5)]).map(({ identified }) => identified.id)).toEqual([5, 4]);
  });
});
