/**
 * NumPy's .npy files, version 1.0: a magic number, a header that is a Python dict as text, and the values.
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0];
/** The offset of the values is a multiple of this. */
const ALIGNMENT = 64;

/** A file of float32 values in row-major order. Uses their memory without a copy. */
export function npyFloats(data: Float32Array<ArrayBuffer>, shape: readonly number[]): Blob {
  return new Blob([head('<f4', shape), data]);
}

/** A file of int64 values. */
export function npyIntegers(values: ArrayLike<number>): Blob {
  const data = BigInt64Array.from({ length: values.length }, (_, i) => BigInt(values[i]!));
  return new Blob([head('<i8', [values.length]), data]);
}

/** A file of Unicode strings, as np.array makes it of a list of str: all padded with zeros to the longest length. */
export function npyTexts(texts: readonly string[]): Blob {
  const characters = texts.map((text) => Array.from(text, (character) => character.codePointAt(0)!));
  const length = Math.max(1, ...characters.map((codes) => codes.length));
  const data = new Uint32Array(texts.length * length);
  characters.forEach((codes, index) => data.set(codes, index * length));
  return new Blob([head(`<U${length}`, [texts.length]), data]);
}

function head(type: string, shape: readonly number[]): Uint8Array<ArrayBuffer> {
  const tuple = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const text = `{'descr': '${type}', 'fortran_order': False, 'shape': (${tuple}), }`;
  const size = Math.ceil((MAGIC.length + 2 + text.length + 1) / ALIGNMENT) * ALIGNMENT;
  const bytes = new Uint8Array(size).fill(0x20);
  bytes.set(MAGIC);
  new DataView(bytes.buffer).setUint16(MAGIC.length, size - MAGIC.length - 2, true);
  bytes.set(new TextEncoder().encode(text), MAGIC.length + 2);
  bytes[size - 1] = 0x0a;
  return bytes;
}
