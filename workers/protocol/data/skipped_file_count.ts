/** Counts the files that are not used, by reason; of each reason a few names are kept. */
import type { SkippedFiles, SkipReason } from './skipped_files.ts';
import { isImagePath } from './images.ts';
import { photoFormatOfPath } from './photo_formats.ts';

const EXAMPLES = 20;
/** What alignment leaves beside the faces: no photo, and no surprise either. */
const ALIGNMENT_NOTES_PATH = /^(bounding_boxes_\d+\.txt|alignment_(\d+|by_hand)\.jsonl|set_aside\.json)$/;
/** LFW's list of pairs lies in the dataset's folder, and is used by an evaluation. */
const PAIRS_PATH = /^pairs[^/]*\.txt$/i;
/** As they are told: photos first. */
const ORDER: readonly SkipReason[] = ['in-no-folder', 'too-deep', 'format', 'no-photo', 'note'];

export function isAlignmentNote(path: string): boolean {
  return ALIGNMENT_NOTES_PATH.test(path);
}

interface Counted {
  readonly reason: SkipReason;
  readonly format?: string | undefined;
  readonly wayForward?: string | undefined;
  count: number;
  readonly examples: string[];
}

export class SkippedFileCount {
  readonly #counted = new Map<string, Counted>();

  /** A file that is not used. */
  add(path: string): void {
    const { reason, format, wayForward } = reasonFor(path);
    const key = `${reason} ${format ?? ''}`;
    let counted = this.#counted.get(key);
    if (!counted) this.#counted.set(key, (counted = { reason, format, wayForward, count: 0, examples: [] }));
    counted.count++;
    if (counted.examples.length < EXAMPLES) counted.examples.push(path);
  }

  get groups(): SkippedFiles[] {
    return [...this.#counted.values()].sort((a, b) => ORDER.indexOf(a.reason) - ORDER.indexOf(b.reason));
  }
}

function reasonFor(path: string): Pick<Counted, 'reason' | 'format' | 'wayForward'> {
  if (isAlignmentNote(path) || PAIRS_PATH.test(path)) return { reason: 'note' };
  const format = photoFormatOfPath(path);
  if (!format) return { reason: 'no-photo' };
  const { name, wayForward } = format;
  if (format.isRead === 'no') return { reason: 'format', format: name, wayForward };
  const depth = path.split('/').length;
  if (depth === 1) return { reason: 'in-no-folder' };
  if (depth > 2) return { reason: 'too-deep' };
  // In its place, but not for this work.
  return isImagePath(path) ? { reason: 'no-photo' } : { reason: 'format', format: name, wayForward };
}
