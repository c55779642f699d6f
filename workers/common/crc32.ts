/**
 * Cyclic redundancy checks of 32 bits, four bytes at a time ("slicing by 4": M. E. Kounavis, F. L. Berry, "Novel
 * Table Lookup-Based Algorithms for High-Performance CRC Generation", 2008).
 */

/** @param previous the checksum of the bytes before these, if the bytes come in parts */
type Checksum = (bytes: Uint8Array, previous?: number) => number;

/** CRC-32 as in zip, PNG and gzip (ISO 3309). */
export const crc32: Checksum = checksumOf(0xedb88320);

/** CRC-32C (Castagnoli), as in TensorFlow's records and LevelDB's tables. */
export const crc32c: Checksum = checksumOf(0x82f63b78);

/** @param polynomial reflected */
function checksumOf(polynomial: number): Checksum {
  // Table k: what a byte does to the checksum with k more bytes behind it.
  const tables = new Uint32Array(4 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ polynomial : value >>> 1;
    tables[byte] = value;
  }
  for (let at = 256; at < tables.length; at++) {
    const shorter = tables[at - 256]!;
    tables[at] = tables[shorter & 0xff]! ^ (shorter >>> 8);
  }
  return (bytes, previous = 0) => {
    let crc = ~previous;
    let at = 0;
    for (; at + 4 <= bytes.length; at += 4) {
      crc ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
      crc =
        tables[768 + (crc & 0xff)]! ^
        tables[512 + ((crc >>> 8) & 0xff)]! ^
        tables[256 + ((crc >>> 16) & 0xff)]! ^
        tables[crc >>> 24]!;
    }
    for (; at < bytes.length; at++) crc = tables[(crc ^ bytes[at]!) & 0xff]! ^ (crc >>> 8);
    return ~crc >>> 0;
  };
}
