/**
 * The text of an LFW pairs file (http://vis-www.cs.umass.edu/lfw/README.txt): a header, then one line per pair,
 * `name i j` for two photos of one person and `name i name j` for photos of two. The header holds the number of folds
 * and of pairs of each kind in a fold (`10 300`), or that number alone (`300`).
 *
 * The original's read_pairs skips the first line, whatever it says, and reads a pair from each later one. So does this
 * reader, so that both measure the same pairs; a pair that is skipped as a header is reported.
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
  /** Of each kind, in a fold, as the header has it; undefined where the first line is no header. */
  readonly pairsPerFold: number | undefined;
  /** In file order. */
  readonly pairs: readonly NamedPair[];
  /** The first line, where it is a pair: it is skipped as the header that the original takes it for. */
  readonly skippedFirstLine?: string | undefined;
}

const PAIR_EXPECTED =
  'a pair is "name i j" for two photos of one person, or "name i name j" for photos of two people';
const SAME_NAME_EXPECTED =
  'it names one person twice; write "name i j" for two photos of one person, or the other person’s name';

/**
 * Fields are separated by tabs or spaces; lines end with LF or CRLF. Blank lines are ignored, and so are lines that
 * begin with `#`, unless they are pairs. Names with spaces can be read where a line's fields are separated by tabs.
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
  // As in the original, whatever stands in the file's first line is no pair.
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

/** A person's name may begin with the sign. */
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
