/** The page's summary of an alignment: its numbers add up to all photos, and existing faces are explained. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { existingInWords, outcomeInWords } from '../../../src/photos/align_words.ts';
import type { AlignFailure } from '../../../workers/protocol/align/align.ts';

const failures = (count: number): AlignFailure[] =>
  Array.from({ length: count }, (_, index) => ({ path: `${index}`, reason: 'no-face', message: '' }));
const paths = (count: number): string[] => Array.from({ length: count }, (_, index) => `${index}`);

describe('outcomeInWords', () => {
  it('names every photo once', () => {
    fc.assert(
      fc.property(fc.nat(200), fc.nat(200), fc.nat(200), fc.nat(200), (aligned, failed, aside, unreached) => {
        const totalImages = aligned + failed + aside + unreached;
        const words = outcomeInWords({
          totalImages,
          successfullyAligned: aligned,
          failures: failures(failed),
          setAside: paths(aside),
        });
        const [given, total, ...rest] = words.replaceAll(',', ' , ').match(/\d+/g)!.map(Number);
        expect(total).toBe(totalImages);
        expect(rest.reduce((sum, count) => sum + count, given!)).toBe(total);
      }),
    );
  });

  it('is a sentence', () => {
    const summary = { totalImages: 14, successfullyAligned: 10, failures: failures(3), setAside: ['a'] };
    expect(outcomeInWords(summary)).toBe(
      'A face was saved for 10 of 14 photos. 3 have none, and 1 is excluded.',
    );
    expect(
      outcomeInWords({ ...summary, totalImages: 1, successfullyAligned: 1, failures: [], setAside: [] }),
    ).toBe('A face was saved for 1 of 1 photo.');
  });
});

it('existingInWords says what became of faces that were there', () => {
  const existing = {
    totalImages: 20,
    unchanged: 4,
    withoutRecord: 1,
    missing: 5,
    changedPhotos: 1,
    otherSettings: 5,
    keptByHand: 2,
    setAside: 0,
    withoutPhoto: [],
  };
  expect(existingInWords({ existing, skippedExisting: 5 })).toEqual([
    '4 photos were already aligned with the same settings and were skipped.',
    '1 photo was aligned by an earlier version or another program. These faces were kept as they are.',
    '1 photo had changed since the last alignment and was aligned again.',
    '5 photos were aligned again because the settings have changed. For 2 of them the face that you chose was kept.',
  ]);
  const none = {
    ...existing,
    unchanged: 0,
    withoutRecord: 0,
    changedPhotos: 0,
    otherSettings: 0,
    keptByHand: 0,
  };
  expect(existingInWords({ existing: none, skippedExisting: 0 })).toEqual([]);
});
