/**
 * The limit for unpacking a compressed file. Weights hardly shrink when they are compressed, and JSON shrinks to a
 * tenth, but DEFLATE compresses zeros to a thousandth. A file beyond this limit was made to fill the memory.
 */
const LARGEST_RATIO = 32;
/** Small files may contain mostly zeros, such as new biases and moving averages. */
const ALWAYS_ALLOWED_BYTES = 16 * 1024 * 1024;

/** @param fileBytes the size of the whole compressed file */
export function unpackingLimitBytes(fileBytes: number): number {
  return ALWAYS_ALLOWED_BYTES + LARGEST_RATIO * fileBytes;
}
