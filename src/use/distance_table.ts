/** Faces and their distances as a table for other programs. */
import { csvCell } from '../../workers/protocol/escape_text.ts';
import type { FoundFace } from '../../workers/protocol/use/identify.ts';

/** `photo.jpg`, or `photo.jpg (face 2 of 3)` */
export function faceName({ photo, number, faceCount }: FoundFace): string {
  return faceCount > 1 ? `${photo} (face ${number} of ${faceCount})` : photo;
}

/**
 * Comma-separated values (RFC 4180): a row and a column a face.
 * @param distances [faces, faces]
 */
export function distanceTable(faces: readonly FoundFace[], distances: Float64Array): string {
  const names = faces.map(faceName);
  const rows = names.map((name, row) => [
    csvCell(name),
    ...names.map((_, column) => distances[row * names.length + column]!.toFixed(4)),
  ]);
  return [['', ...names.map(csvCell)], ...rows].map((cells) => `${cells.join(',')}\r\n`).join('');
}
