/**
 * WebAssembly instructions with 128-bit SIMD, as bytes. The kernels of this program are assembled from them. Operands
 * come first, as on the machine's stack. Specification: https://webassembly.github.io/spec/core/binary/
 */

/** Bytes of instructions in nested lists. `flatten` then copies most bytes only once. */
export type Code = readonly (number | Code)[];

/** @returns the bytes */
export function flatten(code: Code): number[] {
  const bytes: number[] = [];
  const visit = (part: Code): void => {
    for (const one of part)
      if (typeof one === 'number') bytes.push(one);
      else visit(one);
  };
  visit(code);
  return bytes;
}

/** A variable of a function. */
export interface Local {
  readonly index: number;
}

/** LEB128 of an integer ≥ 0. */
export function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return [...bytes, rest];
}

/** Signed LEB128 of a 32-bit integer. */
function signed(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest < -64 || rest > 63; rest >>= 7) bytes.push((rest & 127) | 128);
  return [...bytes, rest & 127];
}

const SIMD = 0xfd;
const NO_RESULT = 0x40;

type Binary = (a: Code, b: Code) => Code;
type Unary = (a: Code) => Code;

const scalar =
  (opcode: number): Binary =>
  (a, b) => [a, b, opcode];
const binary = (opcode: number): Binary => {
  const bytes = [SIMD, ...unsigned(opcode)];
  return (a, b) => [a, b, bytes];
};
const unary = (opcode: number): Unary => {
  const bytes = [SIMD, ...unsigned(opcode)];
  return (a) => [a, bytes];
};
/** Addresses need not be aligned. */
const load =
  (opcode: number) =>
  (address: Code, offset = 0): Code => [address, SIMD, ...unsigned(opcode), 0, ...unsigned(offset)];

export const get = ({ index }: Local): Code => [0x20, ...unsigned(index)];
export const set = ({ index }: Local, value: Code): Code => [value, 0x21, ...unsigned(index)];

export const i32 = {
  const: (value: number): Code => [0x41, ...signed(value)],
  load: (address: Code, offset = 0): Code => [address, 0x28, 0, ...unsigned(offset)],
  /** Loads one byte (`load16`: two) and fills up with zeros. */
  load8: (address: Code, offset = 0): Code => [address, 0x2d, 0, ...unsigned(offset)],
  load16: (address: Code, offset = 0): Code => [address, 0x2f, 0, ...unsigned(offset)],
  store: (address: Code, value: Code, offset = 0): Code => [address, value, 0x36, 0, ...unsigned(offset)],
  store8: (address: Code, value: Code, offset = 0): Code => [address, value, 0x3a, 0, ...unsigned(offset)],
  store16: (address: Code, value: Code, offset = 0): Code => [address, value, 0x3b, 0, ...unsigned(offset)],
  add: scalar(0x6a),
  sub: scalar(0x6b),
  mul: scalar(0x6c),
  and: scalar(0x71),
  or: scalar(0x72),
  shiftLeft: scalar(0x74),
  /** Shifts in zeros. */
  shiftRight: scalar(0x76),
  isEqual: scalar(0x46),
  isLess: scalar(0x49),
  isDifferent: scalar(0x47),
  /** The smaller of two numbers ≥ 0. */
  min: (a: Code, b: Code): Code => [a, b, a, b, 0x49, 0x1b],
};

export const v128 = {
  load: load(0x00),
  /** Loads one 32-bit value into all lanes. */
  loadSplat32: load(0x09),
  loadSplat64: load(0x0a),
  /** Loads one 32-bit value into the first lane; the others are zero. */
  loadZero32: load(0x5c),
  loadZero64: load(0x5d),
  store: (address: Code, value: Code, offset = 0): Code => [
    address,
    value,
    SIMD,
    0x0b,
    0,
    ...unsigned(offset),
  ],
  /** Stores one of the four 32-bit lanes. */
  storeLane32: (address: Code, value: Code, lane: number, offset = 0): Code => [
    address,
    value,
    SIMD,
    0x5a,
    0,
    ...unsigned(offset),
    lane,
  ],
  /** Stores one of the two 64-bit lanes. */
  storeLane64: (address: Code, value: Code, lane: number, offset = 0): Code => [
    address,
    value,
    SIMD,
    0x5b,
    0,
    ...unsigned(offset),
    lane,
  ],
  /** The upper two 32-bit lanes, twice. */
  upperHalf: (value: Code): Code => [
    value,
    value,
    SIMD,
    0x0d,
    ...[8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15],
  ],
  /** The bits of the first where the mask has ones, otherwise those of the second. */
  select: (first: Code, second: Code, mask: Code): Code => [first, second, mask, SIMD, 0x52],
  zero: [SIMD, 0x0c, ...new Array<number>(16).fill(0)] as Code,
};

export const i8x16 = {
  sub: binary(0x71),
  /** Narrows two vectors of 16-bit lanes to one of 8-bit lanes, saturating. */
  narrow: binary(0x66),
};
export const i16x8 = {
  extendLowBytes: unary(0x89),
  extendHighBytes: unary(0x8a),
  abs: unary(0x80),
  add: binary(0x8e),
  sub: binary(0x91),
  /** The smaller lanes, signed. */
  min: binary(0x96),
  /** Ones in the lanes where first ≤ second (signed), zeros elsewhere. */
  isAtMost: binary(0x33),
};
export const i32x4 = {
  extendLow: unary(0xa9),
  extendHigh: unary(0xaa),
  add: binary(0xae),
  mul: binary(0xb5),
  splat: (value: number): Code => [0x41, ...signed(value), SIMD, 0x11],
  /** An arithmetic shift. */
  shiftRight: (a: Code, bits: number): Code => [a, 0x41, ...signed(bits), SIMD, ...unsigned(0xac)],
  /** Narrows four vectors to 16-bit lanes and then to 8-bit lanes, saturating. */
  narrowToBytes: (a: Code, b: Code, c: Code, d: Code): Code => [
    ...[a, b, SIMD, ...unsigned(0x86)],
    ...[c, d, SIMD, ...unsigned(0x86)],
    ...[SIMD, ...unsigned(0x66)],
  ],
};

export const f32x4 = {
  splat: (value: number): Code => [
    0x43,
    ...new Uint8Array(Float32Array.of(value).buffer),
    SIMD,
    ...unsigned(0x13),
  ],
  add: binary(0xe4),
  sub: binary(0xe5),
  mul: binary(0xe6),
  min: binary(0xe8),
  max: binary(0xe9),
  /** Rounds to the nearest integer, halves to even. */
  nearest: unary(0x6a),
  fromIntegers: unary(0xfa),
  /** Converts two doubles; the other lanes are zero. */
  fromDoubles: unary(0x5e),
};

export const f64x2 = {
  splat: (value: number): Code => [
    0x44,
    ...new Uint8Array(Float64Array.of(value).buffer),
    SIMD,
    ...unsigned(0x14),
  ],
  add: binary(0xf0),
  sub: binary(0xf1),
  mul: binary(0xf2),
  /** Converts the first two integers. */
  fromIntegers: unary(0xfe),
};

export function sequence(...parts: readonly Code[]): Code {
  return parts;
}

/** Runs the body once, then repeats it while the condition holds. */
export function repeatWhile(condition: Code, body: Code): Code {
  return [0x03, NO_RESULT, body, condition, 0x0d, 0, 0x0b];
}

export function ifElse(condition: Code, then: Code, otherwise: Code): Code {
  return [condition, 0x04, NO_RESULT, then, 0x05, otherwise, 0x0b];
}
