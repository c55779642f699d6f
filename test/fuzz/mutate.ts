/** Damages a valid file: flips bits, cuts, doubles and moves parts, and makes lengths and numbers absurd. */
import type { Random } from './random.ts';

const MOST_CHANGES = 4;
const LONGEST_PART = 64;
/** Values for damaged lengths, counts and offsets. */
const ABSURD_NUMBERS = [
  0n,
  1n,
  2n,
  0x7fn,
  0x80n,
  0xffn,
  0x7fffn,
  0xffffn,
  0x10000n,
  0x7fffffffn,
  0xffffffffn,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 64n - 1n,
];
const ABSURD_TEXTS = [
  '-1',
  '0',
  '1e308',
  '1e999',
  '4294967296',
  '9007199254740993',
  '0.5',
  'null',
  '""',
  '[]',
  '{}',
  '[[[[0]]]]',
  '"\\u0000"',
  '{"__proto__":1}',
  'true',
];

type Change = (bytes: Buffer, random: Random) => Buffer;

const changes: readonly Change[] = [
  function flipBit(bytes, random) {
    const at = random.below(bytes.length);
    bytes[at] = bytes[at]! ^ (1 << random.below(8));
    return bytes;
  },
  function setByte(bytes, random) {
    bytes[random.below(bytes.length)] = random.below(256);
    return bytes;
  },
  function cutEnd(bytes, random) {
    return bytes.subarray(0, random.below(bytes.length + 1));
  },
  function cutPart(bytes, random) {
    const [start, end] = part(bytes, random);
    return Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)]);
  },
  function doublePart(bytes, random) {
    const [start, end] = part(bytes, random);
    const times = 1 + random.below(random.once(8) ? 200 : 3);
    const copies = Array.from({ length: times }, () => bytes.subarray(start, end));
    return Buffer.concat([bytes.subarray(0, end), ...copies, bytes.subarray(end)]);
  },
  function movePart(bytes, random) {
    const [start, end] = part(bytes, random);
    const to = random.below(bytes.length + 1);
    return Buffer.concat([bytes.subarray(0, to), bytes.subarray(start, end), bytes.subarray(to)]);
  },
  function overwritePart(bytes, random) {
    const [start, end] = part(bytes, random);
    bytes.copy(bytes, random.below(bytes.length), start, end);
    return bytes;
  },
  function setNumber(bytes, random) {
    const width = random.oneOf([1, 2, 4, 8]);
    if (bytes.length < width) return bytes;
    const at = random.below(bytes.length - width + 1);
    let value = random.once(3) ? BigInt(bytes.length + random.below(5) - 2) : random.oneOf(ABSURD_NUMBERS);
    for (let i = 0; i < width; i++, value >>= 8n) bytes[at + i] = Number(value & 0xffn);
    return bytes;
  },
  function setVarint(bytes, random) {
    let value = random.oneOf(ABSURD_NUMBERS);
    const varint: number[] = [];
    for (; value > 0x7fn; value >>= 7n) varint.push(Number(value & 0x7fn) | 0x80);
    const at = random.below(bytes.length);
    return Buffer.concat([
      bytes.subarray(0, at),
      Buffer.from([...varint, Number(value)]),
      bytes.subarray(at + 1),
    ]);
  },
  function replaceTextNumber(bytes, random) {
    const numbers = [...bytes.toString('latin1').matchAll(/-?\d+(\.\d+)?/g)];
    const found = random.oneOf(numbers);
    if (!found) return bytes;
    return Buffer.concat([
      bytes.subarray(0, found.index),
      Buffer.from(random.oneOf(ABSURD_TEXTS)),
      bytes.subarray(found.index + found[0].length),
    ]);
  },
];

/** A part of a few bytes at any place. */
function part(bytes: Buffer, random: Random): [start: number, end: number] {
  const start = random.below(bytes.length + 1);
  return [start, Math.min(bytes.length, start + 1 + random.below(LONGEST_PART))];
}

export function mutate(original: Uint8Array, random: Random): Uint8Array<ArrayBuffer> {
  let bytes = Buffer.from(original);
  for (let left = 1 + random.below(MOST_CHANGES); left > 0 && bytes.length > 0; left--)
    bytes = Buffer.from(random.oneOf(changes)(bytes, random));
  return Uint8Array.from(bytes);
}
