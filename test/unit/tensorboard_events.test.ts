/** Event files are read back by a reader that shares nothing with the writer: its own CRC, frames and wire format. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  crc32c,
  histogramOf,
  TensorBoardEvents,
  type Histogram,
} from '../../workers/formats/tensorboard_events.ts';

/** Bit by bit, without a table. */
function slowCrc32c(bytes: Uint8Array): number {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (-(crc & 1) & 0x82f63b78);
  }
  return ~crc >>> 0;
}

function unmask(masked: number): number {
  const rotated = (masked - 0xa282ead8) >>> 0;
  return ((rotated >>> 17) | (rotated << 15)) >>> 0;
}

function readRecords(file: Uint8Array): Uint8Array[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const records: Uint8Array[] = [];
  for (let at = 0; at < file.length;) {
    const length = Number(view.getBigUint64(at, true));
    expect(unmask(view.getUint32(at + 8, true))).toBe(slowCrc32c(file.subarray(at, at + 8)));
    const data = file.subarray(at + 12, at + 12 + length);
    expect(unmask(view.getUint32(at + 12 + length, true))).toBe(slowCrc32c(data));
    records.push(data);
    at += length + 16;
  }
  return records;
}

type Field = { number: number; value: number | bigint | Uint8Array };

function readFields(bytes: Uint8Array): Field[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const fields: Field[] = [];
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++]!;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const key = Number(varint());
    const number = key >> 3;
    switch (key & 7) {
      case 0:
        fields.push({ number, value: varint() });
        break;
      case 1:
        fields.push({ number, value: view.getFloat64(at, true) });
        at += 8;
        break;
      case 2: {
        const length = Number(varint());
        fields.push({ number, value: bytes.subarray(at, at + length) });
        at += length;
        break;
      }
      case 5:
        fields.push({ number, value: view.getFloat32(at, true) });
        at += 4;
        break;
      default:
        throw new Error(`wire type ${key & 7}`);
    }
  }
  return fields;
}

const find = (fields: Field[], number: number): Field['value'] | undefined =>
  fields.find((field) => field.number === number)?.value;
const text = (value: Field['value'] | undefined): string | undefined =>
  value instanceof Uint8Array ? new TextDecoder().decode(value) : undefined;
const doubles = (value: Field['value'] | undefined): number[] => {
  const bytes = value as Uint8Array;
  return Array.from(new Float64Array(bytes.slice().buffer));
};

interface ReadEvent {
  wallTime: number;
  step: number;
  fileVersion: string | undefined;
  sessionStatus: number | undefined;
  values: Record<string, number | Histogram>;
}

function readEvent(record: Uint8Array): ReadEvent {
  const fields = readFields(record);
  const summary = find(fields, 5);
  const session = find(fields, 7);
  const values: ReadEvent['values'] = {};
  for (const { value } of summary ? readFields(summary as Uint8Array) : []) {
    const parts = readFields(value as Uint8Array);
    const histogram = find(parts, 5);
    values[text(find(parts, 1))!] =
      histogram === undefined
        ? (find(parts, 2) as number)
        : readHistogram(readFields(histogram as Uint8Array));
  }
  return {
    wallTime: find(fields, 1) as number,
    step: Number(find(fields, 2)),
    fileVersion: text(find(fields, 3)),
    sessionStatus: session && Number(find(readFields(session as Uint8Array), 1)),
    values,
  };
}

function readHistogram(fields: Field[]): Histogram {
  const number = (field: number): number => find(fields, field) as number;
  return {
    minimum: number(1),
    maximum: number(2),
    count: number(3),
    sum: number(4),
    sumOfSquares: number(5),
    bucketLimits: doubles(find(fields, 6)),
    bucketCounts: doubles(find(fields, 7)),
  };
}

export async function readEvents(file: Blob): Promise<ReadEvent[]> {
  return readRecords(new Uint8Array(await file.arrayBuffer())).map(readEvent);
}

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

  it('say where a run goes on', async () => {
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
