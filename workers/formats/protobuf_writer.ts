/**
 * Protocol Buffers' wire format, as much of it as is written here (https://protobuf.dev/programming-guides/encoding):
 * a message is a run of fields, each a key (number << 3 | wire type) and a value.
 */

const VARINT = 0;
const FIXED_64 = 1;
const LENGTH_DELIMITED = 2;
const FIXED_32 = 5;

export class ProtobufWriter {
  #bytes = new Uint8Array(256);
  #length = 0;

  /** A double field. */
  double(field: number, value: number): this {
    this.#key(field, FIXED_64);
    return this.#put(8, (view, at) => view.setFloat64(at, value, true));
  }

  /** A float field. */
  float(field: number, value: number): this {
    this.#key(field, FIXED_32);
    return this.#put(4, (view, at) => view.setFloat32(at, value, true));
  }

  /** An int64, int32, uint64, uint32 or enum field; the value is a safe integer of at least 0. */
  integer(field: number, value: number): this {
    this.#key(field, VARINT);
    return this.#varint(value);
  }

  string(field: number, value: string): this {
    return this.bytes(field, new TextEncoder().encode(value));
  }

  /** A bytes field, or an embedded message that is written already. */
  bytes(field: number, value: Uint8Array): this {
    this.#key(field, LENGTH_DELIMITED);
    this.#varint(value.length);
    this.#reserve(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
    return this;
  }

  message(field: number, value: ProtobufWriter): this {
    return this.bytes(field, value.finish());
  }

  /** A `repeated double` field with `packed = true`. */
  packedDoubles(field: number, values: readonly number[]): this {
    this.#key(field, LENGTH_DELIMITED);
    this.#varint(values.length * 8);
    for (const value of values) this.#put(8, (view, at) => view.setFloat64(at, value, true));
    return this;
  }

  /** The message's bytes. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }

  #key(field: number, wireType: number): void {
    this.#varint(field * 8 + wireType);
  }

  /** Seven bits a byte, the lowest first; the high bit says that more follow. */
  #varint(value: number): this {
    this.#reserve(10);
    let rest = value;
    for (; rest > 0x7f; rest = Math.floor(rest / 128)) this.#bytes[this.#length++] = (rest % 128) | 0x80;
    this.#bytes[this.#length++] = rest;
    return this;
  }

  #put(size: number, write: (view: DataView, at: number) => void): this {
    this.#reserve(size);
    write(new DataView(this.#bytes.buffer), this.#length);
    this.#length += size;
    return this;
  }

  #reserve(size: number): void {
    if (this.#length + size <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + size));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}
