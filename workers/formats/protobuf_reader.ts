/**
 * Reads the wire format of untrusted Protocol Buffers (https://protobuf.dev/programming-guides/encoding). Every length
 * is checked against the remaining bytes, unneeded fields are skipped, and nothing is copied.
 *
 * Bounds. Time is linear in the fields and in the opened messages. A file has a budget of two million fields, which
 * take less than a second. Field values are views of the message, so no memory is needed beyond the file.
 */

export class ProtobufError extends Error {
  override name = 'ProtobufError';
}

export type ProtobufField =
  | { readonly number: number; readonly wire: 'varint'; readonly value: bigint }
  | { readonly number: number; readonly wire: 'bytes' | 'fixed32' | 'fixed64'; readonly value: Uint8Array };

/** A frozen graph of these networks has about 150,000. */
const MAXIMUM_FIELDS = 2_000_000;

/** The number of fields that may still be read from a file, over all its messages. */
export class FieldBudget {
  #fields = MAXIMUM_FIELDS;

  /** @throws ProtobufError */
  spend(): void {
    if (--this.#fields < 0) throw new ProtobufError(`it has more than ${MAXIMUM_FIELDS} fields`);
  }
}

/** The fields of a message, in order. @throws ProtobufError (while iterating) */
export function* protobufFields(message: Uint8Array, budget: FieldBudget): Generator<ProtobufField> {
  const cursor = { at: 0 };
  while (cursor.at < message.length) {
    budget.spend();
    const key = readVarint(message, cursor);
    const number = Number(key >> 3n);
    if (number < 1 || number > 0x1fffffff) throw new ProtobufError(`a field has the number ${number}`);
    switch (Number(key & 7n)) {
      case 0:
        yield { number, wire: 'varint', value: readVarint(message, cursor) };
        break;
      case 1:
        yield { number, wire: 'fixed64', value: take(message, cursor, 8) };
        break;
      case 2: {
        const length = readVarint(message, cursor);
        if (length > BigInt(message.length)) throw new ProtobufError('a field is longer than its message');
        yield { number, wire: 'bytes', value: take(message, cursor, Number(length)) };
        break;
      }
      case 5:
        yield { number, wire: 'fixed32', value: take(message, cursor, 4) };
        break;
      default:
        throw new ProtobufError(`a field has the unknown wire type ${key & 7n}`);
    }
  }
}

/** The integers of a repeated field, packed or not. @throws ProtobufError if there are more than `most` */
export function integersOf(field: ProtobufField, most: number): bigint[] {
  if (field.wire === 'varint') return [field.value];
  if (field.wire !== 'bytes') throw new ProtobufError('an integer is stored as something else');
  const values: bigint[] = [];
  const cursor = { at: 0 };
  while (cursor.at < field.value.length) {
    values.push(readVarint(field.value, cursor));
    if (values.length > most) throw new ProtobufError(`a list has more than ${most} numbers`);
  }
  return values;
}

/** An int64 that is a length or another small number. @throws ProtobufError */
export function sizeOf(field: ProtobufField): number {
  if (field.wire !== 'varint' || field.value > BigInt(Number.MAX_SAFE_INTEGER))
    throw new ProtobufError('a size is not a valid number');
  return Number(field.value);
}

export function bytesOfField(field: ProtobufField): Uint8Array {
  if (field.wire !== 'bytes') throw new ProtobufError('a field of bytes is stored as a number');
  return field.value;
}

export function textOf(field: ProtobufField): string {
  return new TextDecoder().decode(bytesOfField(field));
}

/** Reads seven bits per byte, the lowest first, up to 64 bits. */
function readVarint(bytes: Uint8Array, cursor: { at: number }): bigint {
  // Four bytes fit into a number, which is much faster than a bigint.
  let small = 0;
  for (let shift = 0; shift < 28; shift += 7) {
    const byte = bytes[cursor.at++];
    if (byte === undefined) throw new ProtobufError('it ends within a number');
    small |= (byte & 0x7f) << shift;
    if (byte < 0x80) return BigInt(small);
  }
  let value = BigInt(small);
  for (let shift = 28n; shift < 70n; shift += 7n) {
    const byte = bytes[cursor.at++];
    if (byte === undefined) throw new ProtobufError('it ends within a number');
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return BigInt.asUintN(64, value);
  }
  throw new ProtobufError('a number has more than 64 bits');
}

function take(bytes: Uint8Array, cursor: { at: number }, length: number): Uint8Array {
  const end = cursor.at + length;
  if (end > bytes.length) throw new ProtobufError('it ends within a field');
  const part = bytes.subarray(cursor.at, end);
  cursor.at = end;
  return part;
}
