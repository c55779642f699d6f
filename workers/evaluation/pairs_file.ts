/**
 * The text of an LFW pairs file (http://vis-www.cs.umass.edu/lfw/README.txt): a header, then one line per pair, `name
 * i j` for two photos of one person and `name i name j` for photos of two. The header has the number of folds and the
 * number of pairs of each kind per fold (`10 300`), or only the latter (`300`).
 *
 * The original's read_pairs always skips the first line, and reads a pair from each later one. This reader does the
 * same, so that both measure the same pairs. If the skipped first line is a pair, this is reported.
 */
import { MalformedPairsFileError } from './errors.ts';

export interface PersonPhoto {
  readonly person: string;
  /** The number in the file name of the photo. */
  readonly number: number;
}

export interface NamedPair {
  readonly first: PersonPhoto;
  readonly second: PersonPhoto;
  readonly same: boolean;
}

export interface PairsFile {
  /** 1 if the header has none. As in the original, an evaluation uses its own number of folds instead. */
  readonly folds: number;
  /** The number of pairs of each kind per fold in the header; undefined if the first line is not a header. */
  readonly pairsPerFold: number | undefined;
  /** Pairs in the order of the file. */
  readonly pairs: readonly NamedPair[];
  /** The first line, if it is a pair. It is skipped, because the original treats it as a header. */
  readonly skippedFirstLine?: string | undefined;
}

const PAIR_EXPECTED =
  'a pair is "name i j" for two photos of one person, or "name i name j" for photos of two people';
const SAME_NAME_EXPECTED =
  'it names one person twice; write "name i j" for two photos of one person, or the other person’s name';

/**
 * Fields are separated by tabs or spaces; lines end with LF or CRLF. Blank lines are ignored, and so are lines that
 * begin with `#`, unless they are pairs. A name may contain spaces if the fields of its line are separated by tabs.
 * @throws MalformedPairsFileError
 */
export function parsePairsFile(text: string): PairsFile {
  const lines = text
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\n|\r/)
    .map((line, index) => ({ text: line.trim(), number: index + 1 }))
    .filter((line) => line.text !== '' && !isComment(line.text));
  const first = lines[0];
  const counts = first?.text.split(/\s+/) ?? [];
  const hasHeader = counts.length <= 2 && counts.every(isPositiveInteger);
  // As in the original, the first line of the file is never a pair.
  const skipsFirst = hasHeader || first?.number === 1;
  const pairs = lines.slice(skipsFirst ? 1 : 0).map((line) => parsePair(line.text, line.number));
  if (pairs.length === 0)
    throw new MalformedPairsFileError(
      first?.number ?? 1,
      first?.text ?? '',
      `no pair follows it, and the first line is the header (such as "10 300"); ${PAIR_EXPECTED}`,
    );
  return {
    folds: hasHeader && counts.length === 2 ? Number(counts[0]) : 1,
    pairsPerFold: hasHeader ? Number(counts.at(-1)) : undefined,
    pairs,
    ...(skipsFirst && !hasHeader && pairOfLine(first!.text) ? { skippedFirstLine: first!.text } : {}),
  };
}

/** The name of a person may begin with `#`. */
function isComment(line: string): boolean {
  return line.startsWith('#') && !pairOfLine(line);
}

function isPositiveInteger(field: string): boolean {
  return isNumber(field) && Number(field) > 0;
}

function isNumber(field: string | undefined): field is string {
  return field !== undefined && /^\d{1,9}$/.test(field);
}

function parsePair(text: string, line: number): NamedPair {
  const pair = pairOfLine(text);
  if (!pair) throw new MalformedPairsFileError(line, text, PAIR_EXPECTED);
  if (!pair.same && pair.first.person === pair.second.person)
    throw new MalformedPairsFileError(line, text, SAME_NAME_EXPECTED);
  return pair;
}

function pairOfLine(text: string): NamedPair | undefined {
  const byTabs = text.split('\t').map((field) => field.trim());
  return pairOfFields(byTabs.filter((field) => field !== '')) ?? pairOfFields(text.split(/\s+/));
}

function pairOfFields(fields: readonly string[]): NamedPair | undefined {
  const [person, number, third, fourth] = fields;
  if (!person || !isNumber(number)) return undefined;
  const first = { person, number: Number(number) };
  if (fields.length === 3 && isNumber(third))
    return { first, second: { person, number: Number(third) }, same: true };
  if (fields.length === 4 && third && isNumber(fourth))
    return { first, second: { person: third, number: Number(fourth) }, same: false };
  return undefined;
}
