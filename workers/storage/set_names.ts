/** The names of sets of aligned faces: `photos aligned 182-44`, and `photos (2) aligned 182-44` of another folder `photos`. */
import { safeSetName } from '../protocol/escape_text.ts';
import type { SetFormat } from '../protocol/data/stored_sets.ts';

/** @param count how many sets of the name there are, with this one */
export function setName(sourceName: string, format: SetFormat, count: number): string {
  return `${safeSetName(sourceName)}${count > 1 ? ` (${count})` : ''} aligned ${formatName(format)}`;
}

/** Whether a set's name is one of those that `setName` gives for the source and the format. */
export function isNamedFor(name: string, sourceName: string, format: SetFormat): boolean {
  const end = ` aligned ${formatName(format)}`;
  const start = safeSetName(sourceName);
  if (!name.endsWith(end) || !name.startsWith(start)) return false;
  return /^( \(\d+\))?$/.test(name.slice(start.length, name.length - end.length));
}

/** The first name that no set has. */
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
