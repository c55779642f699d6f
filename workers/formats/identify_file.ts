/** Describes a file by its first bytes, for messages about unexpected files. */

const SIGNATURES: readonly { readonly bytes: readonly number[]; readonly description: string }[] = [
  { bytes: [0xff, 0xd8, 0xff], description: 'a JPEG image' },
  { bytes: [0x89, 0x50, 0x4e, 0x47], description: 'a PNG image' },
  { bytes: [0x47, 0x49, 0x46, 0x38], description: 'a GIF image' },
  { bytes: [0x50, 0x4b, 0x03, 0x04], description: 'a zip archive (PyTorch’s .pt files are such archives)' },
  { bytes: [0x89, 0x48, 0x44, 0x46], description: 'an HDF5 file (such as Keras’s .h5)' },
  { bytes: [0x25, 0x50, 0x44, 0x46], description: 'a PDF document' },
  { bytes: [0x1f, 0x8b], description: 'a gzip archive' },
  { bytes: [0x80, 0x02], description: 'a Python pickle' },
  { bytes: [0x93, 0x4e, 0x55, 0x4d], description: 'a NumPy array' },
];
export const SAFETENSORS = 'a safetensors file';
export const UNKNOWN_BINARY = 'a binary file of an unknown kind';
const SNIFFED_BYTES = 512;

export async function identifyFile(blob: Blob): Promise<string> {
  if (blob.size === 0) return 'an empty file';
  const head = new Uint8Array(await blob.slice(0, SNIFFED_BYTES).arrayBuffer());
  const known = SIGNATURES.find(({ bytes }) => bytes.every((byte, index) => head[index] === byte));
  if (known) return known.description;
  // A header length below 16 MB, followed by a JSON object.
  if (head[8] === 0x7b && head[3] === 0 && head[4] === 0 && head[5] === 0 && head[6] === 0 && head[7] === 0)
    return SAFETENSORS;
  const text = decodeText(head, blob.size > SNIFFED_BYTES);
  if (text === undefined) return UNKNOWN_BINARY;
  const start = text.trimStart();
  if (start.startsWith('{') || start.startsWith('[')) return 'a JSON file';
  return /^<(!doctype|html|\?xml|svg)/i.test(start) ? 'an HTML or XML page' : 'a text file';
}

/** undefined if it is not text: if it is not UTF-8, or has control characters. */
function decodeText(head: Uint8Array, isCut: boolean): string | undefined {
  try {
    // A character may be incomplete at the end of the bytes that were read.
    const text = new TextDecoder('utf-8', { fatal: true }).decode(head, { stream: isCut });
    return [...text].some((char) => char < ' ' && !'\t\n\r\f'.includes(char)) ? undefined : text;
  } catch {
    return undefined;
  }
}
