/** A face that a person chose, found again among those that other settings find. */
import type { DetectedFace } from '../../protocol/align/align.ts';
import type { PhotoRecord } from '../../protocol/align/align_record.ts';

/** Intersection over union from which on two boxes are of one face. */
const SAME_FACE_OVERLAP = 0.5;

/**
 * @param record in which the first output is of the chosen face
 * @returns the faces, with the chosen one added where it is not found again; best is its index
 */
export function withChosenFace(
  faces: readonly DetectedFace[],
  { faces: recorded, outputs }: PhotoRecord,
): { faces: readonly DetectedFace[]; best: number } {
  const chosen = recorded[outputs[0]!.face]!;
  const overlaps = faces.map(({ box }) => overlapOf(box, chosen.box));
  const best = overlaps.indexOf(Math.max(...overlaps));
  if (best >= 0 && overlaps[best]! >= SAME_FACE_OVERLAP) return { faces, best };
  return { faces: [...faces, chosen], best: faces.length };
}

/** Intersection over union. */
function overlapOf(a: DetectedFace['box'], b: DetectedFace['box']): number {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  if (width <= 0 || height <= 0) return 0;
  return (width * height) / (areaOf(a) + areaOf(b) - width * height);
}

function areaOf([x1, y1, x2, y2]: DetectedFace['box']): number {
  return (x2 - x1) * (y2 - y1);
}
