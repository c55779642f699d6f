/**
 * The text of an LFW pairs file (http://vis-www.cs.umass.edu/lfw/README.txt): a header, then a line a pair,
 * `name i j` for two photos of one person and `name i name j` for photos of two. The header holds the number of folds
 * and of pairs of each kind in a fold (`10 300`), or that number alone (`300`).
 */
import { MalformedPairsFileError } from './errors.ts';

export interface PersonPhoto {
  readonly person: string;
  /** The number in the photo's file name. */
  readonly number: number;
}

export interface NamedPair {
  readonly first: PersonPhoto;
  readonly second: PersonPhoto;
  readonly same: boolean;
}

export interface PairsFile {
  /** 1 where the header does not say. As in the original, an evaluation's own number of folds is what counts. */
  readonly folds: number;
  /** Of each kind, in a fold, as the header has it. */
  readonly pairsPerFold: number;
  /** In file order. */
  readonly pairs: readonly NamedPair[];
}

const HEADER_EXPECTED =
  'it must be the header: the number of folds and of pairs of each kind in a fold ("10 300"), or that number alone ("300")';
const PAIR_EXPECTED =
  'a pair is "name i j" for two photos of one person, or "name i name j" for photos of two people';
const SAME_NAME_EXPECTED =
  'it names one person twice; write "name i j" for two photos of one person, or the other person’s name';

/**
 * Fields are separated by tabs or spaces; lines end with LF or CRLF; blank lines are ignored. Names with spaces can be
 * read where a line's fields are separated by tabs.
 * @throws MalformedPairsFileError
 */
export function parsePairsFile(text: string): PairsFile {
  const lines = text
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\n|\r/)
    .map((line, index) => ({ text: line.trim(), number: index + 1 }))
    .filter((line) => line.text !== '');
  const header = lines[0] ?? { text: '', number: 1 };
  const counts = header.text.split(/\s+/);
  if (counts.length > 2 || !counts.every(isPositiveInteger))
    throw new MalformedPairsFileError(header.number, header.text, HEADER_EXPECTED);
  const pairs = lines.slice(1).map((line) => parsePair(line.text, line.number));
  if (pairs.length === 0)
    throw new MalformedPairsFileError(header.number, header.text, `no pair follows it; ${PAIR_EXPECTED}`);
  return {
    folds: counts.length === 2 ? Number(counts[0]) : 1,
    pairsPerFold: Number(counts.at(-1)),
    pairs,
  };
}

function isPositiveInteger(field: string): boolean {
  return isNumber(field) && Number(field) > 0;
}

function isNumber(field: string | undefined): field is string {
  return field !== undefined && /^\d{1,9}$/.test(field);
}

function parsePair(text: string, line: number): NamedPair {
  const pair = pairOfFields(text.split(/ *\t\s*/)) ?? pairOfFields(text.split(/\s+/));
  if (!pair) throw new MalformedPairsFileError(line, text, PAIR_EXPECTED);
  if (!pair.same && pair.first.person === pair.second.person)
    throw new MalformedPairsFileError(line, text, SAME_NAME_EXPECTED);
  return pair;
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
