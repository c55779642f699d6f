/** Reads event files independently of their writer, with separate code for CRC, frames and wire format. */
import { expect } from 'vitest';
import type { Histogram } from '../../../workers/formats/tensorboard_events.ts';

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

export interface ReadEvent {
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
    sessionStatus: session === undefined ? undefined : Number(find(readFields(session as Uint8Array), 1)),
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
