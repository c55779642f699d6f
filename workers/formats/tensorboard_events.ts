/**
 * TensorBoard's event files: TFRecord frames (tensorflow/core/lib/io/record_writer.h), each with an Event message
 * (tensorflow/core/util/event.proto, tensorflow/core/framework/summary.proto). TensorBoard reads every file of a folder
 * whose name contains `tfevents`, in the order of their names.
 */
import { crc32c } from '../common/crc32.ts';
import { ProtobufWriter } from './protobuf_writer.ts';

/** Rotated, plus a constant, because the CRC of data that contains CRCs is problematic. */
export function maskedCrc32c(bytes: Uint8Array): number {
  return masked(crc32c(bytes));
}

/** @param crc the CRC of all bytes */
export function masked(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** A frame: uint64 length, masked CRC of the length, data, masked CRC of the data; little-endian. */
export function frameRecord(data: Uint8Array): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(data.length + 16);
  const view = new DataView(frame.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedCrc32c(frame.subarray(0, 8)), true);
  frame.set(data, 12);
  view.setUint32(12 + data.length, maskedCrc32c(data), true);
  return frame;
}

/** The content of HistogramProto. Bucket i counts the values above limit i − 1, up to limit i. */
export interface Histogram {
  readonly minimum: number;
  readonly maximum: number;
  readonly count: number;
  readonly sum: number;
  readonly sumOfSquares: number;
  readonly bucketLimits: readonly number[];
  readonly bucketCounts: readonly number[];
}

/** TensorFlow's default limits: 1e−12 · 1.1^k up to 1e20 on both sides of zero; the largest double at the ends. */
const BUCKET_LIMITS: readonly number[] = (() => {
  const positive: number[] = [];
  for (let limit = 1e-12; limit < 1e20; limit *= 1.1) positive.push(limit);
  positive.push(Number.MAX_VALUE);
  return [...positive.map((limit) => -limit).reverse(), 0, ...positive];
})();

/** Leaves out values that are not finite. Empty buckets are kept only next to buckets with values. */
export function histogramOf(values: ArrayLike<number>): Histogram {
  const counts = new Float64Array(BUCKET_LIMITS.length);
  let [minimum, maximum, count, sum, sumOfSquares] = [Infinity, -Infinity, 0, 0, 0];
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (!Number.isFinite(value)) continue;
    counts[bucketOf(value)]!++;
    minimum = Math.min(minimum, value);
    maximum = Math.max(maximum, value);
    count++;
    sum += value;
    sumOfSquares += value * value;
  }
  const bucketLimits: number[] = [];
  const bucketCounts: number[] = [];
  for (let bucket = 0; bucket < counts.length; bucket++) {
    const isFull = counts[bucket]! > 0;
    const boundsFull = (counts[bucket + 1] ?? 0) > 0;
    if (!isFull && !boundsFull) continue;
    bucketLimits.push(BUCKET_LIMITS[bucket]!);
    bucketCounts.push(counts[bucket]!);
  }
  return count === 0
    ? { minimum: 0, maximum: 0, count, sum, sumOfSquares, bucketLimits: [0], bucketCounts: [0] }
    : { minimum, maximum, count, sum, sumOfSquares, bucketLimits, bucketCounts };
}

/** The index of the first bucket whose limit is at least the value. */
function bucketOf(value: number): number {
  let [low, high] = [0, BUCKET_LIMITS.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (BUCKET_LIMITS[middle]! >= value) high = middle;
    else low = middle + 1;
  }
  return low;
}

export type SummaryValue = number | Histogram;

/**
 * The name of an event file. TensorBoard reads the files of a folder in the order of their names.
 * @param host the last part of the name, where TensorFlow writes the name of the machine
 */
export function eventFileName(startedAtMs: number, host = 'facenet'): string {
  return `events.out.tfevents.${String(Math.floor(startedAtMs / 1000)).padStart(10, '0')}.${host}`;
}

/** A growing event file with records in the order of their addition. The whole file is available at any time. */
export class TensorBoardEvents {
  readonly fileName: string;
  // These are reused, because a long run has millions of values.
  readonly #event = new ProtobufWriter();
  readonly #summary = new ProtobufWriter();
  readonly #value = new ProtobufWriter();
  #parts: Blob[] = [];
  #pending: Uint8Array<ArrayBuffer>[] = [];
  #pendingBytes = 0;

  /**
   * @param firstStep the first step of this file; TensorBoard forgets this and later steps of earlier files
   */
  constructor(startedAtMs: number, firstStep = 0) {
    this.fileName = eventFileName(startedAtMs);
    this.#add(this.#begin(startedAtMs, 0).string(3, 'brain.Event:2'));
    // SessionLog { status: START }
    if (firstStep > 0)
      this.#add(this.#begin(startedAtMs, firstStep).message(7, new ProtobufWriter().integer(1, 1)));
  }

  /** Adds one event with a value for each tag. */
  add(atMs: number, step: number, values: Readonly<Record<string, SummaryValue>>): void {
    const summary = this.#summary.clear();
    for (const [tag, value] of Object.entries(values))
      summary.message(1, writeSummaryValue(this.#value.clear(), tag, value));
    this.#add(this.#begin(atMs, step).message(5, summary));
  }

  /** The current file. */
  toBlob(): Blob {
    this.#collect();
    return new Blob(this.#parts);
  }

  /** Event { wall_time, step } */
  #begin(atMs: number, step: number): ProtobufWriter {
    return this.#event
      .clear()
      .double(1, atMs / 1000)
      .integer(2, step);
  }

  #add(message: ProtobufWriter): void {
    const frame = frameRecord(message.finish());
    this.#pending.push(frame);
    this.#pendingBytes += frame.length;
    // The browser may keep the bytes of a Blob outside the program's memory.
    if (this.#pendingBytes > 1024 * 1024) this.#collect();
  }

  #collect(): void {
    if (this.#pending.length > 0) this.#parts.push(new Blob(this.#pending));
    this.#pending = [];
    this.#pendingBytes = 0;
  }
}

/** Summary.Value { tag, simple_value or histo } */
function writeSummaryValue(message: ProtobufWriter, tag: string, value: SummaryValue): ProtobufWriter {
  message.string(1, tag);
  if (typeof value === 'number') return message.float(2, value);
  return message.message(
    5,
    new ProtobufWriter()
      .double(1, value.minimum)
      .double(2, value.maximum)
      .double(3, value.count)
      .double(4, value.sum)
      .double(5, value.sumOfSquares)
      .packedDoubles(6, value.bucketLimits)
      .packedDoubles(7, value.bucketCounts),
  );
}
