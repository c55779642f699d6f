/** Files of a dataset's folders that are not used: how many, why, and some of their names. */

export type SkipReason =
  /** A photo directly in the chosen folder: it is in nobody's folder. */
  | 'in-no-folder'
  /** A photo in a folder inside of a person's folder. */
  | 'too-deep'
  /** A photo in a format that is not read. */
  | 'format'
  /** No photo, by its name. */
  | 'no-photo'
  /** What this program writes beside aligned faces, and a list of pairs. */
  | 'note';

export interface SkippedFiles {
  readonly reason: SkipReason;
  /** The format's name, for photos that are not read for it. */
  readonly format?: string | undefined;
  /** What to do about the format. */
  readonly wayForward?: string | undefined;
  readonly count: number;
  /** The first few. */
  readonly examples: readonly string[];
}

/** The files look like photos, and are not used all the same. */
export function isSkippedPhoto({ reason }: SkippedFiles): boolean {
  return reason !== 'no-photo' && reason !== 'note';
}

/** How many of the files look like photos, and are not used all the same. */
export function skippedPhotoCount(skipped: readonly SkippedFiles[]): number {
  return skipped.filter(isSkippedPhoto).reduce((sum, { count }) => sum + count, 0);
}

const EXAMPLES_NAMED = 3;

/** One sentence per reason; there is none for notes of this program. */
export function describeSkipped(skipped: readonly SkippedFiles[]): string[] {
  return skipped.filter(({ reason }) => reason !== 'note').map(describe);
}

function describe({ reason, format, wayForward, count, examples }: SkippedFiles): string {
  const one = count === 1;
  const shown = examples.slice(0, EXAMPLES_NAMED);
  const rest = count - shown.length;
  const named = shown.join(', ') + (rest > 0 ? ` and ${rest} more` : '');
  switch (reason) {
    case 'in-no-folder':
      return `${count} ${one ? 'photo is' : 'photos are'} not inside a person’s folder and will not be used: ${named}. Move ${one ? 'it' : 'them'} into a folder with the person’s name.`;
    case 'too-deep':
      return `${count} ${one ? 'photo is' : 'photos are'} in a subfolder of a person’s folder and will not be used: ${named}. Move ${one ? 'it' : 'them'} up into the person’s folder.`;
    case 'format':
      return `${count} ${format} ${one ? 'photo' : 'photos'} will not be used, because this program cannot read ${format}: ${named}. What to do: ${wayForward}.`;
    case 'no-photo':
    case 'note':
      return `${count} ${one ? 'file is not a photo, judging by its name, and is' : 'files are not photos, judging by their names, and are'} ignored: ${named}.`;
  }
}
