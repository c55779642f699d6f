import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32c } from '../../../workers/common/crc32.ts';
import {
  histogramOf,
  TensorBoardEvents,
  type Histogram,
} from '../../../workers/formats/tensorboard_events.ts';
import { readEvents } from './tensorboard_reader.ts';

describe('event files', () => {
  it('have the checksum of RFC 3720, B.4', () => {
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
  });

  it('are named and begin as TensorBoard expects', async () => {
    const events = new TensorBoardEvents(1_700_000_000_123);
    expect(events.fileName).toBe('events.out.tfevents.1700000000.facenet');
    const [first, ...rest] = await readEvents(events.toBlob());
    expect(first).toMatchObject({ fileVersion: 'brain.Event:2', step: 0, wallTime: 1_700_000_000.123 });
    expect(rest).toEqual([]);
  });

  it('say where a run resumes', async () => {
    const [, start] = await readEvents(new TensorBoardEvents(1e12, 31).toBlob());
    expect(start).toMatchObject({ step: 31, sessionStatus: 1, fileVersion: undefined });
  });

  it('hold any scalars, in order, also while they grow', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            atMs: fc.integer({ min: 0, max: 4e12 }),
            step: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
            values: fc.dictionary(
              fc.string({ minLength: 1, unit: 'binary' }).filter((tag) => tag !== '__proto__'),
              fc.float(),
            ),
          }),
          { maxLength: 8 },
        ),
        async (added) => {
          const events = new TensorBoardEvents(0);
          for (const [index, { atMs, step, values }] of added.entries()) {
            events.add(atMs, step, values);
            if (index % 3 === 0) events.toBlob();
          }
          const [, ...read] = await readEvents(events.toBlob());
          expect(
            read.map(({ step, wallTime, values }) => ({ step, wallTime, values: { ...values } })),
          ).toEqual(
            added.map(({ atMs, step, values }) => ({ step, wallTime: atMs / 1000, values: { ...values } })),
          );
        },
      ),
      { numRuns: 60 },
    );
  });

  it('hold more than a megabyte', async () => {
    const events = new TensorBoardEvents(0);
    for (let step = 1; step <= 20_000; step++) events.add(step, step, { 'loss/total': step, accuracy: 0.5 });
    const file = events.toBlob();
    expect(file.size).toBeGreaterThan(1024 * 1024);
    const read = await readEvents(file);
    expect(read).toHaveLength(20_001);
    expect(read.at(-1)).toMatchObject({ step: 20_000, values: { 'loss/total': 20_000 } });
  });
});

describe('histograms', () => {
  it('count every finite value in the bucket that holds it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.double(), { maxLength: 40 }), async (values) => {
        const events = new TensorBoardEvents(0);
        events.add(0, 1, { weights: histogramOf(values) });
        const [, event] = await readEvents(events.toBlob());
        const histogram = event!.values['weights'] as Histogram;
        const finite = values.filter(Number.isFinite);
        expect(histogram.count).toBe(finite.length);
        expect(histogram.bucketCounts.reduce((sum, count) => sum + count, 0)).toBe(finite.length);
        if (finite.length === 0) return;
        expect(histogram.minimum).toBe(finite.reduce((a, b) => Math.min(a, b)));
        expect(histogram.maximum).toBe(finite.reduce((a, b) => Math.max(a, b)));
        const { bucketLimits, bucketCounts } = histogram;
        bucketLimits.forEach((limit, bucket) => {
          const below = bucketLimits[bucket - 1] ?? -Infinity;
          expect(limit).toBeGreaterThan(below);
          expect(bucketCounts[bucket]).toBe(finite.filter((value) => value > below && value <= limit).length);
        });
      }),
    );
  });

  it('are as fine as TensorFlow’s: a tenth of the value', () => {
    const { bucketLimits, bucketCounts } = histogramOf([0.5, -0.02]);
    expect(bucketCounts).toEqual([0, 1, 0, 1]);
    expect(bucketLimits[1]! / bucketLimits[0]!).toBeCloseTo(1 / 1.1, 6);
    expect(bucketLimits[3]! / bucketLimits[2]!).toBeCloseTo(1.1, 6);
    expect(histogramOf([0]).bucketLimits.at(-1)).toBe(0);
  });

  it('have the moments', () => {
    const histogram = histogramOf([1, 2, -4, NaN, Infinity]);
    expect(histogram).toMatchObject({ count: 3, sum: -1, sumOfSquares: 21, minimum: -4, maximum: 2 });
  });
});
