/** What the page Use itself computes: tables of distances, thresholds of evaluations, and the faces of people. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { distanceTable, faceName } from '../../../src/use/distance_table.ts';
import { offeredThresholds } from '../../../src/use/evaluation_threshold.ts';
import { facesById, withAnswers, withFaces } from '../../../src/use/people.ts';
import type { EvaluationOverview, PlainThreshold } from '../../../workers/protocol/evaluate/evaluate.ts';
import type { FoundFace } from '../../../workers/protocol/use/identify.ts';

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

/** An independent reader for RFC 4180. */
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
  it('has one row and one column per face', () => {
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

describe('the thresholds that evaluations offer', () => {
  const evaluation = (part: Partial<EvaluationOverview>, plain?: PlainThreshold): EvaluationOverview =>
    ({
      id: 'one',
      at: 1,
      modelName: 'run 1',
      imagesName: 'faces',
      images: [],
      result: { bestThresholdPerFold: [0.4], accuracy: 0.9, plain },
      ...part,
    }) as unknown as EvaluationOverview;
  const plain = { threshold: 0.8, accuracy: 0.7 };
  const newest = { checkpoint: 'newest', useMovingAverages: false } as const;

  it('are those of embeddings as they are; evaluations of earlier versions have none', () => {
    const offered = offeredThresholds([
      evaluation({ id: 'old' }),
      evaluation({ id: 'first', at: 2 }, plain),
      evaluation({ id: 'second', at: 3 }, { threshold: 0.9, accuracy: 0.6 }),
    ]);
    expect(offered.map(({ id, threshold, accuracy }) => [id, threshold, accuracy])).toEqual([
      ['second', 0.9, 0.6],
      ['first', 0.8, 0.7],
    ]);
  });

  it('come first where the values that are used were measured', () => {
    const run = { step: 300, best: { step: 200, epoch: 2, measuredBy: 'pairs', accuracy: 1 } } as const;
    const evaluations = [
      evaluation({ id: 'before', at: 1, step: 300, weights: { step: 300, areMovingAverages: false } }, plain),
      evaluation(
        { id: 'averages', at: 2, step: 300, weights: { step: 300, areMovingAverages: true } },
        plain,
      ),
      evaluation({ id: 'best', at: 3, step: 200, weights: { step: 200, areMovingAverages: false } }, plain),
    ];
    const ids = (chosen: Parameters<typeof offeredThresholds>[2]) =>
      offeredThresholds(evaluations, run, chosen).map(({ id, otherStep }) => [id, otherStep]);
    expect(ids(newest)[0]).toEqual(['before', undefined]);
    expect(ids(newest).slice(1)).toEqual([
      ['best', 200],
      ['averages', 300],
    ]);
    expect(ids({ checkpoint: 'best', useMovingAverages: false })[0]).toEqual(['best', undefined]);
    expect(ids({ checkpoint: 300, useMovingAverages: true })[0]).toEqual(['averages', undefined]);
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
