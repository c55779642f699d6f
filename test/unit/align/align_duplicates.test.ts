/** One photo in two identities. */
import { describe, expect, it } from 'vitest';
import { together } from '../../../src/photos/align_summaries.ts';
import { DuplicateFinder } from '../../../workers/jobs/align/duplicate_photos.ts';
import type { AlignSummary } from '../../../workers/protocol/align/align.ts';

describe('DuplicateFinder', () => {
  it('finds the same bytes under several names, whatever the order', () => {
    const finder = new DuplicateFinder();
    finder.add('Zoe/1.jpg', 'aa');
    finder.add('Ann/1.jpg', 'bb');
    finder.add('Ann/2.jpg', 'aa');
    finder.add('Bo/7.jpg', 'aa');
    expect(finder.duplicates).toEqual([['Ann/2.jpg', 'Bo/7.jpg', 'Zoe/1.jpg']]);
  });

  it('takes copies in one folder for what they are, and does not compare what has no digest', () => {
    const finder = new DuplicateFinder();
    finder.add('Ann/1.jpg', 'aa');
    finder.add('Ann/copy of 1.jpg', 'aa');
    finder.add('Bo/1.jpg', '');
    finder.add('Cy/1.jpg', '');
    expect(finder.duplicates).toEqual([]);
  });

  it('holds 100,000 photos', () => {
    const finder = new DuplicateFinder();
    for (let index = 0; index < 100_000; index++)
      finder.add(`person ${index % 1000}/${index}.jpg`, String(index % 99_999));
    expect(finder.duplicates).toEqual([['person 0/0.jpg', 'person 999/99999.jpg']]);
  });
});

it('duplicates and photos set aside in a second run are added to the first run’s', () => {
  const times = { decodeMs: 0, resizeMs: 0, networksMs: 0, encodeMs: 0, writeMs: 0 };
  const summary: AlignSummary = {
    totalImages: 3,
    successfullyAligned: 3,
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
    failures: [],
    skipped: [],
    elsewhere: { aligned: 0, failed: 0 },
    duplicates: [['A/1', 'B/1']],
    setAside: ['A/3'],
    cancelled: false,
    durationMs: 1,
    times,
  };
  const again = {
    ...summary,
    duplicates: [
      ['B/1', 'C/1'],
      ['D/1', 'E/1'],
    ],
    setAside: ['A/3', 'A/4'],
  };
  const both = together(summary, again, []);
  expect(both.duplicates).toEqual([
    ['A/1', 'B/1', 'C/1'],
    ['D/1', 'E/1'],
  ]);
  expect(both.setAside).toEqual(['A/3', 'A/4']);
});
