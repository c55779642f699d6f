/** Stores finished runs in a file, one line of JSON per run, so that a benchmark of hours can be resumed. */
import { appendFileSync, readFileSync } from 'node:fs';
import type { PrecisionOptions, PrecisionRun } from './precision_run.ts';

interface Line {
  readonly options: PrecisionOptions;
  readonly run: PrecisionRun;
}

/**
 * Reads the runs with the same options. Other runs, and an incomplete last line, stay in the file.
 * @throws Error if the file contains anything else or cannot be written
 */
export function readPrecisionRuns(path: string, options: PrecisionOptions): PrecisionRun[] {
  try {
    // Creates the file, so that a failure occurs now and not after the first run.
    appendFileSync(path, '');
  } catch (cause) {
    throw new Error(`${path} cannot be written: ${(cause as Error).message}`, { cause });
  }
  const lines = readFileSync(path, 'utf8').split('\n');
  return lines.flatMap((text, index) => {
    const line = parseLine(text);
    if (line) return sameOptions(line.options, options) ? [line.run] : [];
    // A run is written with a newline before and after it, so an incomplete line ends at a newline.
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
