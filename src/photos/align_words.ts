/** What an alignment did, in sentences. Their numbers add up to all photos. */
import type { AlignSummary } from '../../workers/protocol/align/align.ts';
import { formatCount, formatCountOf } from '../ui/format.ts';

/** `A face was saved for 10 of 14 photos. 3 have none, and 1 is excluded.` */
export function outcomeInWords({
  totalImages,
  successfullyAligned,
  failures,
  setAside,
}: Pick<AlignSummary, 'totalImages' | 'successfullyAligned' | 'failures' | 'setAside'>): string {
  const unreached = totalImages - successfullyAligned - failures.length - setAside.length;
  const rest = [
    failures.length > 0 && `${formatCount(failures.length)} ${failures.length === 1 ? 'has' : 'have'} none`,
    setAside.length > 0 && `${formatCount(setAside.length)} ${setAside.length === 1 ? 'is' : 'are'} excluded`,
    unreached > 0 && `${formatCount(unreached)} ${unreached === 1 ? 'was' : 'were'} not reached`,
  ].filter((part) => part !== false);
  const last = rest.pop();
  const start = `A face was saved for ${formatCount(successfullyAligned)} of ${formatCountOf(totalImages, 'photo')}.`;
  if (last === undefined) return start;
  return `${start} ${rest.length === 0 ? last : `${rest.join(', ')}, and ${last}`}.`;
}

/** What was there already, and what became of it; nothing for what needs no word. */
export function existingInWords({
  existing,
  skippedExisting,
}: Pick<AlignSummary, 'existing' | 'skippedExisting'>): string[] {
  const { changedPhotos, otherSettings, keptByHand, withoutRecord } = existing;
  const unchanged = skippedExisting - withoutRecord;
  const were = (count: number): string => (count === 1 ? 'was' : 'were');
  return [
    unchanged > 0 &&
      `${formatCountOf(unchanged, 'photo')} ${were(unchanged)} already aligned with the same settings and ${were(unchanged)} skipped.`,
    withoutRecord > 0 &&
      `${formatCountOf(withoutRecord, 'photo')} ${were(withoutRecord)} aligned by an earlier version or another program. These faces were kept as they are.`,
    changedPhotos > 0 &&
      `${formatCountOf(changedPhotos, 'photo')} had changed since the last alignment and ${were(changedPhotos)} aligned again.`,
    otherSettings > 0 &&
      `${formatCountOf(otherSettings, 'photo')} ${were(otherSettings)} aligned again because the settings have changed${
        keptByHand > 0 ? `. For ${formatCount(keptByHand)} of them the face that you chose was kept` : ''
      }.`,
  ].filter((sentence) => sentence !== false);
}
