/** Finished runs in a file, a line of JSON each, so that a benchmark of hours can be broken off and gone on with. */
import { appendFileSync, readFileSync } from 'node:fs';
import type { PrecisionOptions, PrecisionRun } from './precision_run.ts';

interface Line {
  readonly options: PrecisionOptions;
  readonly run: PrecisionRun;
}

/**
 * Runs with the same options; others, and a last line that was cut off, are left where they are.
 * @throws Error for a file that holds something else or cannot be written
 */
export function readPrecisionRuns(path: string, options: PrecisionOptions): PrecisionRun[] {
  try {
    // Made if it is not there: better to fail now than after the first run.
    appendFileSync(path, '');
  } catch (cause) {
    throw new Error(`${path} cannot be written: ${(cause as Error).message}`, { cause });
  }
  const lines = readFileSync(path, 'utf8').split('\n');
  return lines.flatMap((text, index) => {
    const line = parseLine(text);
    if (line) return sameOptions(line.options, options) ? [line.run] : [];
    // A run is written with a newline before it and after it: what was cut off ends at one.
    if (text === '' || text.startsWith('{"options":')) return [];
    throw new Error(
      `${path}, line ${index + 1}, is no run of this benchmark. Name another file with --results.`,
    );
  });
}

export function appendPrecisionRun(path: string, options: PrecisionOptions, run: PrecisionRun): void {
  appendFileSync(path, `\n${JSON.stringify({ options, run } satisfies Line)}\n`);
}

function parseLine(text: string): Line | undefined {
  try {
    const line = JSON.parse(text) as Partial<Line> | null;
    return line?.options && Array.isArray(line.run?.losses) ? (line as Line) : undefined;
  } catch {
    return undefined;
  }
}

function sameOptions(a: PrecisionOptions, b: PrecisionOptions): boolean {
  const keys = Object.keys(b) as (keyof PrecisionOptions)[];
  return keys.every((key) => a[key] === b[key]);
}
