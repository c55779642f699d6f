/**
 * The cascade: P-Net proposes boxes over a pyramid, R-Net refines them, O-Net decides and finds the landmarks. Several
 * photos are processed together, so that the batches of the networks are full.
 */
import type { DetectedFace } from '../protocol/align/align.ts';
import { regress, square, suppress, truncate, type Box } from './boxes.ts';
import type { CascadeNetworks, PhotoNetworks } from './cascade_networks.ts';
import type { CascadePhoto } from './photo.ts';

export interface DetectionOptions {
  /** The smallest face to look for, pixels. */
  readonly minsize: number;
  readonly thresholds: readonly [number, number, number];
  /** The scale between neighbouring levels of the pyramid. */
  readonly factor: number;
}

export interface Detection {
  readonly faces: DetectedFace[];
  /** Number of candidates that entered R-Net (`oNetCount`: O-Net). */
  readonly rNetCount: number;
  readonly oNetCount: number;
}

type Thresholds = DetectionOptions['thresholds'];

/** @returns one detection per photo, in order; boxes are in pixels of the decoded photo */
export async function detectInPhotos(
  networks: CascadeNetworks,
  photos: readonly CascadePhoto[],
  thresholds: Thresholds,
): Promise<Detection[]> {
  const detections: Detection[] = [];
  for (const group of networks.groups(photos))
    detections.push(...(await networks.look(group, (looking) => detectTogether(looking, thresholds))));
  return detections;
}

async function detectTogether(networks: PhotoNetworks, thresholds: Thresholds): Promise<Detection[]> {
  const proposed = await propose(networks, thresholds[0]);
  const refined = await refine(networks, proposed, thresholds[1]);
  const faces = await decide(networks, refined, thresholds[2]);
  return faces.map((found, index) => ({
    faces: found,
    rNetCount: proposed[index]!.length,
    oNetCount: refined[index]!.length,
  }));
}

/** P-Net with suppression. @returns the boxes of each photo */
export async function propose(networks: PhotoNetworks, threshold: number): Promise<Box[][]> {
  const proposed = await networks.propose(threshold);
  return proposed.map((levels) => {
    const candidates = levels.flatMap((level) => suppress(level, 0.5, 'union').map((index) => level[index]!));
    return suppress(candidates, 0.7, 'union')
      .map((kept) => candidates[kept]!)
      .map((candidate) => truncate(square(regress(candidate, candidate.regression, 0))));
  });
}

export async function refine(
  networks: PhotoNetworks,
  boxes: readonly (readonly Box[])[],
  threshold: number,
): Promise<Box[][]> {
  const { scores, regressions } = await networks.refine(boxes);
  const offsets = offsetsOf(boxes);
  return boxes.map((list, photo) => {
    const passed = list.flatMap((box, index) => {
      const at = offsets[photo]! + index;
      return scores[at]! > threshold ? [{ ...box, score: scores[at]!, at: at * 4 }] : [];
    });
    return suppress(passed, 0.7, 'union')
      .map((index) => passed[index]!)
      .map(({ at, ...box }) => truncate(square(regress(box, regressionAt(regressions, at), 1))));
  });
}

export async function decide(
  networks: PhotoNetworks,
  boxes: readonly (readonly Box[])[],
  threshold: number,
): Promise<DetectedFace[][]> {
  const { scores, regressions, landmarks } = await networks.output(boxes);
  const offsets = offsetsOf(boxes);
  return boxes.map((list, photo) => {
    const passed = list.flatMap((box, index) => {
      const at = offsets[photo]! + index;
      if (!(scores[at]! > threshold)) return [];
      const points = landmarks.subarray(at * 10, at * 10 + 10);
      const width = box.x2 - box.x1 + 1;
      const height = box.y2 - box.y1 + 1;
      return [
        {
          ...regress({ ...box, score: scores[at]! }, regressionAt(regressions, at * 4), 1),
          landmarksX: Array.from(points.subarray(0, 5), (x) => width * x + box.x1 - 1),
          landmarksY: Array.from(points.subarray(5, 10), (y) => height * y + box.y1 - 1),
        },
      ];
    });
    return suppress(passed, 0.7, 'min')
      .map((index) => passed[index]!)
      .map(({ x1, y1, x2, y2, score, landmarksX, landmarksY }) => ({
        box: [x1, y1, x2, y2],
        score,
        landmarksX,
        landmarksY,
      }));
  });
}

/** The index of each photo's first box among all boxes. */
function offsetsOf(boxes: readonly (readonly Box[])[]): number[] {
  let offset = 0;
  return boxes.map(({ length }) => (offset += length) - length);
}

function regressionAt(values: Float32Array, at: number) {
  return { dx1: values[at]!, dy1: values[at + 1]!, dx2: values[at + 2]!, dy2: values[at + 3]! };
}
