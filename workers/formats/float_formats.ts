/**
 * Converts the number formats of weights to float32. All are little-endian, like the files and every machine with
 * WebGPU or WebAssembly.
 */

/** IEEE 754 binary16: 1 sign, 5 exponent and 10 fraction bits. */
export function float16ToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The largest value of binary16. */
const FLOAT16_MAXIMUM = 65504;

export class Float16RangeError extends Error {
  override name = 'Float16RangeError';
  constructor(tensor: string, value: number) {
    super(
      `${tensor} has the value ${value}, which float16 cannot hold (its largest is ${FLOAT16_MAXIMUM}). Export the model as float32.`,
    );
  }
}

/**
 * Rounds to the nearest binary16, ties to even. Keeps infinities and NaN.
 * @param name the name of the tensor, for the message
 * @throws Float16RangeError for a finite value that would become infinite
 */
export function toFloat16(values: Float32Array, name: string): Uint16Array<ArrayBuffer> {
  const result = new Uint16Array(values.length);
  const bits = new Uint32Array(values.slice().buffer);
  for (let i = 0; i < bits.length; i++) {
    const rounded = roundToFloat16(bits[i]!);
    if ((rounded & 0x7fff) === 0x7c00 && Number.isFinite(values[i]!))
      throw new Float16RangeError(name, values[i]!);
    result[i] = rounded;
  }
  return result;
}

/** @param bits the bits of a float32 */
function roundToFloat16(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  const exponent = (magnitude >>> 23) - 112;
  if (exponent >= 31) return sign | 0x7c00;
  // Below the smallest normal number, the fraction is shifted right together with its leading one.
  const shift = exponent > 0 ? 13 : 14 - exponent;
  if (shift > 24) return sign;
  const fraction =
    exponent > 0 ? (exponent << 23) | (magnitude & 0x7fffff) : (magnitude & 0x7fffff) | 0x800000;
  const half = 1 << (shift - 1);
  const rest = fraction & ((half << 1) - 1);
  const truncated = fraction >>> shift;
  // A carry out of the fraction increases the exponent, up to infinity, by the design of the format.
  return sign | (truncated + (rest > half || (rest === half && (truncated & 1) === 1) ? 1 : 0));
}

/** bfloat16 is the upper half of a float32. */
export function bfloat16ToFloat32(values: Uint16Array): Float32Array<ArrayBuffer> {
  const bits = new Uint32Array(values.length);
  for (let i = 0; i < values.length; i++) bits[i] = values[i]! << 16;
  return new Float32Array(bits.buffer);
}

function float16ToFloat32(values: Uint16Array): Float32Array<ArrayBuffer> {
  return Float32Array.from(values, float16ToNumber);
}

interface NumberFormat {
  readonly bytes: number;
  /** Rounds wider formats to the nearest float32. Absent for formats whose values this program does not use. */
  readonly toFloat32?: (buffer: ArrayBuffer) => Float32Array<ArrayBuffer>;
}

const toNumbers = (values: BigInt64Array | BigUint64Array): Float32Array<ArrayBuffer> =>
  Float32Array.from({ length: values.length }, (_, i) => Number(values[i]));

/** The formats by their names in safetensors files. */
export const NUMBER_FORMATS: ReadonlyMap<string, NumberFormat> = new Map<string, NumberFormat>([
  ['F64', { bytes: 8, toFloat32: (buffer) => new Float32Array(new Float64Array(buffer)) }],
  ['F32', { bytes: 4, toFloat32: (buffer) => new Float32Array(buffer) }],
  ['F16', { bytes: 2, toFloat32: (buffer) => float16ToFloat32(new Uint16Array(buffer)) }],
  ['BF16', { bytes: 2, toFloat32: (buffer) => bfloat16ToFloat32(new Uint16Array(buffer)) }],
  ['F8_E5M2', { bytes: 1 }],
  ['F8_E4M3', { bytes: 1 }],
  ['I64', { bytes: 8, toFloat32: (buffer) => toNumbers(new BigInt64Array(buffer)) }],
  ['U64', { bytes: 8, toFloat32: (buffer) => toNumbers(new BigUint64Array(buffer)) }],
  ['I32', { bytes: 4, toFloat32: (buffer) => new Float32Array(new Int32Array(buffer)) }],
  ['U32', { bytes: 4, toFloat32: (buffer) => new Float32Array(new Uint32Array(buffer)) }],
  ['I16', { bytes: 2, toFloat32: (buffer) => new Float32Array(new Int16Array(buffer)) }],
  ['U16', { bytes: 2, toFloat32: (buffer) => new Float32Array(new Uint16Array(buffer)) }],
  ['I8', { bytes: 1, toFloat32: (buffer) => new Float32Array(new Int8Array(buffer)) }],
  ['U8', { bytes: 1, toFloat32: (buffer) => new Float32Array(new Uint8Array(buffer)) }],
  ['BOOL', { bytes: 1, toFloat32: (buffer) => new Float32Array(new Uint8Array(buffer)) }],
]);
