/**
 * The private reference data next to the project (../shared/data), if they exist: photos, the original detector's
 * results and its intermediate tensors. Also compares two sets of results.
 */
import { commands } from 'vitest/browser';
import type { DetectionRecord } from '../../../workers/protocol/align/align.ts';

const ROOT = '../shared/data';

/** @returns undefined if the file, or all of the data, is absent */
export async function readReference(path: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    const base64 = await commands.readFile(`${ROOT}/${path}`, 'base64');
    return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  } catch {
    return undefined;
  }
}

export async function readExpected(): Promise<DetectionRecord[]> {
  const bytes = await readReference('mtcnn-expected.jsonl');
  if (!bytes) return [];
  return new TextDecoder()
    .decode(bytes)
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as DetectionRecord);
}

export interface Agreement {
  readonly photos: number;
  readonly faces: number;
  /** The share of photos with the same number of faces. */
  readonly facesEqual: number;
  readonly boxMedianPx: number;
  readonly box99Px: number;
  readonly landmarks99Px: number;
  readonly score99: number;
  /** Share of photos whose crop boxes at both margins are within one pixel. */
  readonly cropsWithin1Px: number;
  /** The photos that differ in the number of faces, in a crop box, or by more than half a pixel in a box. */
  readonly differing: readonly string[];
}

export function compareRecords(
  pairs: readonly { readonly expected: DetectionRecord; readonly actual: DetectionRecord }[],
): Agreement {
  const boxes: number[] = [];
  const landmarks: number[] = [];
  const scores: number[] = [];
  const differing: string[] = [];
  let facesEqual = 0;
  let cropsEqual = 0;
  let faces = 0;
  for (const { expected, actual } of pairs) {
    const equal = expected.faces.length === actual.faces.length;
    if (equal) facesEqual++;
    const cropsAgree = (['crop_margin32', 'crop_margin44'] as const).every((key) =>
      withinOne(expected[key], actual[key]),
    );
    if (cropsAgree) cropsEqual++;
    let worstPx = 0;
    for (const face of expected.faces) {
      const match = nearest(face, actual.faces);
      if (!match) continue;
      faces++;
      worstPx = Math.max(worstPx, ...face.box.map((value, index) => Math.abs(value - match.box[index]!)));
      face.box.forEach((value, index) => boxes.push(Math.abs(value - match.box[index]!)));
      face.landmarks_x.forEach((value, index) => landmarks.push(Math.abs(value - match.landmarks_x[index]!)));
      face.landmarks_y.forEach((value, index) => landmarks.push(Math.abs(value - match.landmarks_y[index]!)));
      scores.push(Math.abs(face.score - match.score));
    }
    if (!equal || !cropsAgree || worstPx > 0.5)
      differing.push(
        `${expected.image}: ${expected.faces.length}/${actual.faces.length} faces, a box off by ${worstPx.toFixed(2)} px, ` +
          `candidates ${expected.n_rnet_in}/${actual.n_rnet_in}, ${expected.n_onet_in}/${actual.n_onet_in}`,
      );
  }
  return {
    photos: pairs.length,
    faces,
    facesEqual: facesEqual / pairs.length,
    boxMedianPx: quantile(boxes, 0.5),
    box99Px: quantile(boxes, 0.99),
    landmarks99Px: quantile(landmarks, 0.99),
    score99: quantile(scores, 0.99),
    cropsWithin1Px: cropsEqual / pairs.length,
    differing,
  };
}

function withinOne(a: readonly number[] | undefined, b: readonly number[] | undefined): boolean {
  if (!a || !b) return a === b;
  return a.every((value, index) => Math.abs(value - b[index]!) <= 1);
}

type Face = DetectionRecord['faces'][number];

/** The face with the largest overlap, if that is at least a half. */
function nearest(face: Face, others: readonly Face[]): Face | undefined {
  let best: Face | undefined;
  let bestOverlap = 0.5;
  for (const other of others) {
    const overlap = intersectionOverUnion(face.box, other.box);
    if (overlap > bestOverlap) {
      best = other;
      bestOverlap = overlap;
    }
  }
  return best;
}

function intersectionOverUnion(a: readonly number[], b: readonly number[]): number {
  const area = (box: readonly number[]): number => (box[2]! - box[0]!) * (box[3]! - box[1]!);
  const width = Math.max(0, Math.min(a[2]!, b[2]!) - Math.max(a[0]!, b[0]!));
  const height = Math.max(0, Math.min(a[3]!, b[3]!) - Math.max(a[1]!, b[1]!));
  const intersection = width * height;
  return intersection / (area(a) + area(b) - intersection);
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted.length === 0 ? 0 : sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
}
