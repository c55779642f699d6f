/**
 * Instructions of WebAssembly with 128-bit SIMD, as bytes: what the kernels written in this program are put together
 * from. Operands come first, as on the machine's stack. Specification: https://webassembly.github.io/spec/core/binary/
 */

/** Bytes of instructions, nested as they were put together: most are copied once only, see `flatten`. */
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

/** LEB128, not negative. */
export function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return [...bytes, rest];
}

/** LEB128, 32 bits. */
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
  /** A byte, or two, and zeros. */
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
  /** Zeros come in. */
  shiftRight: scalar(0x76),
  isEqual: scalar(0x46),
  isLess: scalar(0x49),
  isDifferent: scalar(0x47),
  /** Of two numbers that are not negative. */
  min: (a: Code, b: Code): Code => [a, b, a, b, 0x49, 0x1b],
};

export const v128 = {
  load: load(0x00),
  /** One 32-bit value, in all places. */
  loadSplat32: load(0x09),
  loadSplat64: load(0x0a),
  /** One 32-bit value and zeros. */
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
  /** One of the four 32-bit values. */
  storeLane32: (address: Code, value: Code, lane: number, offset = 0): Code => [
    address,
    value,
    SIMD,
    0x5a,
    0,
    ...unsigned(offset),
    lane,
  ],
  /** One of the two 64-bit values. */
  storeLane64: (address: Code, value: Code, lane: number, offset = 0): Code => [
    address,
    value,
    SIMD,
    0x5b,
    0,
    ...unsigned(offset),
    lane,
  ],
  /** The last two 32-bit values, twice. */
  upperHalf: (value: Code): Code => [
    value,
    value,
    SIMD,
    0x0d,
    ...[8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15],
  ],
  /** Bits of the first where the mask has ones, of the second elsewhere. */
  select: (first: Code, second: Code, mask: Code): Code => [first, second, mask, SIMD, 0x52],
  zero: [SIMD, 0x0c, ...new Array<number>(16).fill(0)] as Code,
};

export const i8x16 = {
  sub: binary(0x71),
  /** Of two vectors of 16 bits, saturating. */
  narrow: binary(0x66),
};
export const i16x8 = {
  extendLowBytes: unary(0x89),
  extendHighBytes: unary(0x8a),
  abs: unary(0x80),
  add: binary(0x8e),
  sub: binary(0x91),
  /** Signed. */
  min: binary(0x96),
  /** Ones where the first is at most the second (signed), zeros elsewhere. */
  isAtMost: binary(0x33),
};
export const i32x4 = {
  extendLow: unary(0xa9),
  extendHigh: unary(0xaa),
  add: binary(0xae),
  mul: binary(0xb5),
  splat: (value: number): Code => [0x41, ...signed(value), SIMD, 0x11],
  /** Arithmetic. */
  shiftRight: (a: Code, bits: number): Code => [a, 0x41, ...signed(bits), SIMD, ...unsigned(0xac)],
  /** To 16 bits, and those to 8, saturating. */
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
  /** To the nearest whole number, halves to even. */
  nearest: unary(0x6a),
  fromIntegers: unary(0xfa),
  /** Of two doubles, and zeros. */
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
  /** Of the first two. */
  fromIntegers: unary(0xfe),
};

export function sequence(...parts: readonly Code[]): Code {
  return parts;
}

/** Runs the body, and again as long as the condition holds. */
export function repeatWhile(condition: Code, body: Code): Code {
  return [0x03, NO_RESULT, body, condition, 0x0d, 0, 0x0b];
}

export function ifElse(condition: Code, then: Code, otherwise: Code): Code {
  return [condition, 0x04, NO_RESULT, then, 0x05, otherwise, 0x0b];
}
