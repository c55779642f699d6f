/**
 * Names on the disk as text, and back. On Linux a name is a row of bytes, and need not be UTF-8: folders that were
 * unpacked from an old archive are often Latin-1. Each byte that is no UTF-8 is written as a backslash, `x` and two
 * upper-case hexadecimal digits, as in `J\xFCrgen`. A name that has such letters by itself has its backslash written as
 * `\x5C`, so that every name has one text, and every text leads back to its name. Only these bytes are ever read from an
 * escape: no separator and no dot can come out of one. Windows and its backslashes are left alone.
 */
import { isUtf8 } from 'node:buffer';

const HAS_BYTE_NAMES = process.platform !== 'win32';
const ESCAPE = /\\x(5C|[89A-F][0-9A-F])/g;

/** @param name a name, a path or the lines of a text file that holds names */
export function textOfBytes(name: Uint8Array): string {
  const bytes = Buffer.from(name.buffer, name.byteOffset, name.byteLength);
  if (isUtf8(bytes)) return escapeText(bytes.toString('utf8'));
  let text = '';
  let start = 0;
  for (let at = 0; at < bytes.length;) {
    const length = characterLength(bytes, at);
    if (length > 0) {
      at += length;
      continue;
    }
    text += `${escapeText(bytes.toString('utf8', start, at))}\\x${bytes[at]!.toString(16).toUpperCase()}`;
    start = ++at;
  }
  return text + escapeText(bytes.toString('utf8', start));
}

/** The text of a name that is UTF-8. */
export function escapeText(name: string): string {
  return HAS_BYTE_NAMES ? name.replace(ESCAPE, '\\x5Cx$1') : name;
}

/** What the file system is asked for: text where the name is UTF-8, otherwise the bytes. */
export function diskPath(text: string): string | Buffer {
  if (!HAS_BYTE_NAMES || text.search(ESCAPE) < 0) return text;
  const parts: Buffer[] = [];
  let end = 0;
  for (const { index, 0: escape, 1: digits } of text.matchAll(ESCAPE)) {
    parts.push(Buffer.from(text.slice(end, index)), Buffer.from([parseInt(digits!, 16)]));
    end = index + escape.length;
  }
  const bytes = Buffer.concat([...parts, Buffer.from(text.slice(end))]);
  return isUtf8(bytes) ? bytes.toString('utf8') : bytes;
}

/** Bytes of the UTF-8 character that begins here; 0 where none does. */
function characterLength(bytes: Buffer, at: number): number {
  const first = bytes[at]!;
  const length =
    first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  return length > 0 && at + length <= bytes.length && isUtf8(bytes.subarray(at, at + length)) ? length : 0;
}
