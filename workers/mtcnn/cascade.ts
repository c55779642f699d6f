/** The cascade: P-Net proposes over a pyramid, R-Net refines, O-Net decides and finds the landmarks. */
import type { RgbImage } from '../dataset/image.ts';
import type { DetectedFace } from '../protocol.ts';
import { generateBoxes, regress, square, suppress, truncate, type Box, type Candidate } from './boxes.ts';
import { cropForNetwork, pyramidLevel, pyramidScales } from './crops.ts';
import { O_NET_SIZE, R_NET_SIZE, type MtcnnNetworks } from './networks.ts';

export interface DetectionOptions {
  /** The smallest face to look for, pixels. */
  readonly minsize: number;
  readonly thresholds: readonly [number, number, number];
  /** Between neighbouring levels of the pyramid. */
  readonly factor: number;
}

export interface Detection {
  readonly faces: DetectedFace[];
  /** Numbers of candidates that entered R-Net and O-Net. */
  readonly rNetCount: number;
  readonly oNetCount: number;
}

/**
 * Batches have one of a few sizes: every new tensor shape costs a shader and buffers that tfjs never gives back.
 */
function paddedCount(count: number): number {
  return count <= 256 ? 2 ** Math.ceil(Math.log2(Math.max(count, 8))) : Math.ceil(count / 256) * 256;
}

export async function detectFaces(
  networks: MtcnnNetworks,
  image: RgbImage,
  options: DetectionOptions,
): Promise<Detection> {
  const proposed = await propose(networks, image, options);
  if (proposed.length === 0) return { faces: [], rNetCount: 0, oNetCount: 0 };
  const refined = await refine(networks, image, proposed, options.thresholds[1]);
  const faces = refined.length === 0 ? [] : await decide(networks, image, refined, options.thresholds[2]);
  return { faces, rNetCount: proposed.length, oNetCount: refined.length };
}

export async function propose(
  networks: MtcnnNetworks,
  image: RgbImage,
  { minsize, thresholds, factor }: DetectionOptions,
): Promise<Box[]> {
  const levels = pyramidScales(image.width, image.height, minsize, factor);
  const perLevel = await Promise.all(
    levels.map(async (scale): Promise<Candidate[]> => {
      const level = pyramidLevel(image, scale);
      const output = await networks.proposals(level.values, level.width, level.height);
      const candidates = generateBoxes(
        output.scores,
        output.regressions,
        output.width,
        output.height,
        scale,
        thresholds[0],
      );
      return suppress(candidates, 0.5, 'union').map((index) => candidates[index]!);
    }),
  );
  const candidates = perLevel.flat();
  return suppress(candidates, 0.7, 'union')
    .map((index) => candidates[index]!)
    .map((candidate) => truncate(square(regress(candidate, candidate.regression, 0))));
}

export async function refine(
  networks: MtcnnNetworks,
  image: RgbImage,
  boxes: readonly Box[],
  threshold: number,
): Promise<Box[]> {
  const count = paddedCount(boxes.length);
  const { scores, regressions } = await networks.refine(cropAll(image, boxes, R_NET_SIZE, count), count);
  const passed = boxes.flatMap((box, index) =>
    scores[index]! > threshold ? [{ ...box, score: scores[index]!, at: index * 4 }] : [],
  );
  return suppress(passed, 0.7, 'union')
    .map((index) => passed[index]!)
    .map(({ at, ...box }) => truncate(square(regress(box, regressionAt(regressions, at), 1))));
}

export async function decide(
  networks: MtcnnNetworks,
  image: RgbImage,
  boxes: readonly Box[],
  threshold: number,
): Promise<DetectedFace[]> {
  const count = paddedCount(boxes.length);
  const { scores, regressions, landmarks } = await networks.output(
    cropAll(image, boxes, O_NET_SIZE, count),
    count,
  );
  const passed = boxes.flatMap((box, index) => {
    if (!(scores[index]! > threshold)) return [];
    const points = landmarks.subarray(index * 10, index * 10 + 10);
    const width = box.x2 - box.x1 + 1;
    const height = box.y2 - box.y1 + 1;
    return [
      {
        ...regress({ ...box, score: scores[index]! }, regressionAt(regressions, index * 4), 1),
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
}

function cropAll(image: RgbImage, boxes: readonly Box[], size: number, count: number): Float32Array {
  const length = size * size * 3;
  const values = new Float32Array(count * length);
  boxes.forEach((box, index) =>
    cropForNetwork(image, box, size, values.subarray(index * length, (index + 1) * length)),
  );
  return values;
}

function regressionAt(values: Float32Array, at: number) {
  return { dx1: values[at]!, dy1: values[at + 1]!, dx2: values[at + 2]!, dy2: values[at + 3]! };
}
