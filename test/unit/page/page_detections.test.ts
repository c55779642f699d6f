/** The state of an alignment on the page: the faces found, and the summary after some photos were tried again. */
import { describe, expect, it } from 'vitest';
import { together } from '../../../src/photos/align_summaries.ts';
import { Detections, PhotosByName } from '../../../src/photos/detections.ts';
import type { AlignFailure, AlignSummary } from '../../../workers/protocol/align/align.ts';

describe('Detections', () => {
  it('gives back the faces that were found, for each face that was written', () => {
    const faces = [0, 1].map((index) => ({
      box: [index, 2, 30, 40] as const,
      score: 0.5,
      landmarksX: [1, 2, 3, 4, index],
      landmarksY: [6, 7, 8, 9, 10],
    }));
    const detections = new Detections();
    const event = {
      kind: 'aligned',
      path: 'Ada/a.jpg',
      width: 90,
      height: 80,
      faces,
      chosen: [0, 1],
    } as const;
    detections.add({ ...event, outputPaths: ['Ada/a_0.png', 'Ada/a_1.png'] });
    const detection = detections.of('Ada/a_1.png')!;
    expect(detection).toMatchObject({ path: 'Ada/a.jpg', width: 90, height: 80, chosen: [0, 1] });
    expect(detection.outputPaths).toEqual(['Ada/a_0.png', 'Ada/a_1.png']);
    expect(detection.faces).toEqual(faces);
    expect(detections.of('Ada/b.png')).toBeUndefined();

    detections.add({ ...event, path: 'Ada/c.jpg', outputPaths: ['Ada/c.png'], chosen: [1] });
    expect(detections.of('Ada/c.png')).toMatchObject({ outputPaths: ['Ada/c.png'], chosen: [1], faces });
    const all = ['Ada/a_0.png', 'Ada/a_1.png', 'Ada/c.png'];
    expect(detections.inDoubt(all)).toEqual({ paths: all, severalFacesPhotoCount: 2, lowScoreCount: 0 });
    detections.choose('Ada/c.png', 0);
    expect(detections.of('Ada/c.png')).toMatchObject({ path: 'Ada/c.jpg', chosen: [0], faces });
    detections.delete('Ada/c.png');
    expect(detections.of('Ada/c.png')).toBeUndefined();
    expect(detections.of('Ada/a_0.png')).toEqual(detection);
    detections.clear();
    expect(detections.of('Ada/a_0.png')).toBeUndefined();
  });
});

it('Detections name the faces that a person should look at', () => {
  const found = (path: string, scores: readonly number[], chosen = [0]) =>
    ({
      kind: 'aligned',
      path: `${path}.jpg`,
      outputPaths: chosen.length === 1 ? [`${path}.png`] : chosen.map((face) => `${path}_${face}.png`),
      width: 90,
      height: 80,
      faces: scores.map((score) => ({
        score,
        box: [1, 2, 3, 4] as const,
        landmarksX: [0, 0, 0, 0, 0],
        landmarksY: [0, 0, 0, 0, 0],
      })),
      chosen,
    }) as const;
  const detections = new Detections();
  detections.add(found('A/sure', [0.99]));
  detections.add(found('A/hand', [0.87]));
  detections.add(found('B/group', [0.99, 0.98], [1]));
  detections.add(found('B/group in doubt', [0.99, 0.5], [1]));
  const all = [
    'A/sure.png',
    'A/hand.png',
    'B/group.png',
    'B/group in doubt.png',
    'B/from an earlier visit.png',
  ];
  expect(detections.inDoubt(all)).toEqual({
    paths: ['A/hand.png', 'B/group.png', 'B/group in doubt.png'],
    severalFacesPhotoCount: 2,
    lowScoreCount: 1,
  });
  // If all faces are kept, faces of strangers are filed under the same name.
  detections.clear();
  detections.add(found('Work/party', [0.99, 0.98, 0.97], [0, 1, 2]));
  const faces = ['Work/party_0.png', 'Work/party_1.png', 'Work/party_2.png'];
  expect(detections.inDoubt(faces)).toEqual({ paths: faces, severalFacesPhotoCount: 1, lowScoreCount: 0 });
});

it('PhotosByName finds the photo of a face from an earlier visit', () => {
  const photos = new PhotosByName(['Ann/a.b.jpg', 'Ann/group.png', 'Bo/x_1.jpg']);
  expect(photos.of('Ann/a.b.png')).toBe('Ann/a.b.jpg');
  expect(photos.of('Ann/group_2.png')).toBe('Ann/group.png');
  expect(photos.of('Bo/x_1.png')).toBe('Bo/x_1.jpg');
  expect(photos.of('Bo/y.png')).toBeUndefined();
});

describe('together', () => {
  it('replaces the failures of the photos that were tried again', () => {
    const failure = (path: string, message: string): AlignFailure => ({ path, reason: 'no-face', message });
    const before: AlignSummary = {
      totalImages: 10,
      successfullyAligned: 7,
      skippedExisting: 0,
      existing: {
        totalImages: 0,
        unchanged: 0,
        withoutRecord: 0,
        missing: 0,
        changedPhotos: 0,
        otherSettings: 0,
        keptByHand: 0,
        setAside: 0,
        withoutPhoto: [],
      },
      renamed: [],
      skipped: [],
      elsewhere: { aligned: 0, failed: 0 },
      failures: [failure('a', 'first'), failure('b', 'first'), failure('c', 'first')],
      duplicates: [['A/1.jpg', 'B/1.jpg']],
      setAside: ['A/2.jpg'],
      cancelled: false,
      durationMs: 100,
      times: { decodeMs: 1, resizeMs: 2, networksMs: 3, encodeMs: 4, writeMs: 5 },
    };
    const again = { ...before, totalImages: 2, successfullyAligned: 1, failures: [failure('b', 'second')] };
    const both = together(before, again, ['a', 'b']);
    expect(both.totalImages).toBe(10);
    expect(both.successfullyAligned).toBe(8);
    // They stay in place, because a person may be viewing them.
    expect(both.failures).toEqual([failure('b', 'second'), failure('c', 'first')]);
    expect(both.durationMs).toBe(200);
    expect(both.times).toEqual({ decodeMs: 2, resizeMs: 4, networksMs: 6, encodeMs: 8, writeMs: 10 });
  });
});
