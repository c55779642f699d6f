/**
 * How much a compressed file may unpack to. Weights hardly shrink when they are packed, and a description in JSON
 * shrinks to a tenth, while DEFLATE packs zeros a thousand times: a file beyond this limit was made to fill the memory.
 */
const LARGEST_RATIO = 32;
/** Small files may hold little but zeros: new biases and moving averages. */
const ALWAYS_ALLOWED_BYTES = 16 * 1024 * 1024;

/** @param fileBytes the size of the whole file as it is stored */
export function unpackingLimitBytes(fileBytes: number): number {
  return ALWAYS_ALLOWED_BYTES + LARGEST_RATIO * fileBytes;
}
