/** What an alignment did, in sentences. Their numbers add up to all photos. */
import type { AlignSummary } from '../../workers/protocol/align/align.ts';
import { formatCount, formatCountOf } from '../ui/format.ts';

/** `10 of 14 photos gave a face, 3 did not, and 1 is set aside.` */
export function outcomeInWords({
  totalImages,
  successfullyAligned,
  failures,
  setAside,
}: Pick<AlignSummary, 'totalImages' | 'successfullyAligned' | 'failures' | 'setAside'>): string {
  const unreached = totalImages - successfullyAligned - failures.length - setAside.length;
  const rest = [
    failures.length > 0 && `${formatCount(failures.length)} did not`,
    setAside.length > 0 &&
      `${formatCount(setAside.length)} ${setAside.length === 1 ? 'is' : 'are'} set aside`,
    unreached > 0 && `${formatCount(unreached)} ${unreached === 1 ? 'was' : 'were'} not reached`,
  ].filter((part) => part !== false);
  const last = rest.pop();
  const start = `${formatCount(successfullyAligned)} of ${formatCountOf(totalImages, 'photo')} gave a face`;
  return last === undefined ? `${start}.` : `${[start, ...rest].join(', ')}, and ${last}.`;
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
      `${formatCountOf(unchanged, 'photo')} ${were(unchanged)} aligned before with the same settings.`,
    withoutRecord > 0 &&
      `${formatCountOf(withoutRecord, 'photo')} ${were(withoutRecord)} aligned by an earlier version or another program; these faces stay as they are.`,
    changedPhotos > 0 &&
      `${formatCountOf(changedPhotos, 'photo')} had changed since then and ${were(changedPhotos)} aligned again.`,
    otherSettings > 0 &&
      `${formatCountOf(otherSettings, 'photo')} ${were(otherSettings)} aligned again, because the settings are different now${
        keptByHand > 0
          ? `; in ${formatCount(keptByHand)} of them the face that you chose by hand was kept`
          : ''
      }.`,
  ].filter((sentence) => sentence !== false);
}
