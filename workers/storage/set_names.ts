/**
 * Names of sets of aligned faces: `photos aligned 182-44`; for another folder `photos`: `photos (2) aligned 182-44`.
 */
import { safeSetName } from '../protocol/escape_text.ts';
import type { SetFormat } from '../protocol/data/stored_sets.ts';

/** @param count the number of sets with this source name, including this one */
export function setName(sourceName: string, format: SetFormat, count: number): string {
  return `${safeSetName(sourceName)}${count > 1 ? ` (${count})` : ''} aligned ${formatName(format)}`;
}

/** Whether the name of a set is one that `setName` gives for the source and the format. */
export function isNamedFor(name: string, sourceName: string, format: SetFormat): boolean {
  const end = ` aligned ${formatName(format)}`;
  const start = safeSetName(sourceName);
  if (!name.endsWith(end) || !name.startsWith(start)) return false;
  return /^( \(\d+\))?$/.test(name.slice(start.length, name.length - end.length));
}

/** The first name that is free. */
export function freeName(names: Iterable<string>, sourceName: string, format: SetFormat): string {
  const taken = new Set(names);
  for (let count = 1; ; count++) {
    const name = setName(sourceName, format, count);
    if (!taken.has(name)) return name;
  }
}

function formatName({ image_size, margin, detect_multiple_faces }: SetFormat): string {
  return `${image_size}-${margin}${detect_multiple_faces ? '-all' : ''}`;
}
