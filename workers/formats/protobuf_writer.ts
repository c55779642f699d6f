/**
 * Writes the parts of the Protocol Buffers wire format that are needed here
 * (https://protobuf.dev/programming-guides/encoding): a message is a list of fields, each with a key (number << 3 |
 * wire type) and a value.
 */

const VARINT = 0;
const FIXED_64 = 1;
const LENGTH_DELIMITED = 2;
const FIXED_32 = 5;

const encoder = new TextEncoder();

export class ProtobufWriter {
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  /** Starts a new message in the memory of this one. */
  clear(): this {
    this.#length = 0;
    return this;
  }

  /** A double field. */
  double(field: number, value: number): this {
    this.#key(field, FIXED_64);
    return this.#putDouble(value);
  }

  /** A float field. */
  float(field: number, value: number): this {
    this.#key(field, FIXED_32);
    this.#reserve(4);
    this.#view.setFloat32(this.#length, value, true);
    this.#length += 4;
    return this;
  }

  /** An int64, int32, uint64, uint32 or enum field; the value is a safe integer of at least 0. */
  integer(field: number, value: number): this {
    this.#key(field, VARINT);
    return this.#varint(value);
  }

  string(field: number, value: string): this {
    return this.bytes(field, encoder.encode(value));
  }

  /** A bytes field, or an embedded message that is already written. */
  bytes(field: number, value: Uint8Array): this {
    this.#key(field, LENGTH_DELIMITED);
    this.#varint(value.length);
    this.#reserve(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
    return this;
  }

  /** An embedded message; `value` may be cleared afterwards. */
  message(field: number, value: ProtobufWriter): this {
    return this.bytes(field, value.#bytes.subarray(0, value.#length));
  }

  /** The beginning of a bytes field. Its `size` bytes are stored elsewhere, so that large values are not copied. */
  bytesHead(field: number, size: number): this {
    this.#key(field, LENGTH_DELIMITED);
    return this.#varint(size);
  }

  /** A `repeated double` field with `packed = true`. */
  packedDoubles(field: number, values: readonly number[]): this {
    this.#key(field, LENGTH_DELIMITED);
    this.#varint(values.length * 8);
    for (const value of values) this.#putDouble(value);
    return this;
  }

  /** The bytes of the message. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }

  #key(field: number, wireType: number): void {
    this.#varint(field * 8 + wireType);
  }

  /** Writes seven bits per byte, the lowest first. The high bit means that more bytes follow. */
  #varint(value: number): this {
    this.#reserve(10);
    let rest = value;
    for (; rest > 0x7f; rest = Math.floor(rest / 128)) this.#bytes[this.#length++] = (rest % 128) | 0x80;
    this.#bytes[this.#length++] = rest;
    return this;
  }

  #putDouble(value: number): this {
    this.#reserve(8);
    this.#view.setFloat64(this.#length, value, true);
    this.#length += 8;
    return this;
  }

  #reserve(size: number): void {
    if (this.#length + size <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + size));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}
