/**
 * The cascade: P-Net proposes over a pyramid, R-Net refines, O-Net decides and finds the landmarks. Several photos go
 * through it together, so that the networks see full batches.
 */
import type { DetectedFace } from '../protocol/align.ts';
import { generateBoxes, regress, square, suppress, truncate, type Box, type Candidate } from './boxes.ts';
import { O_NET_SIZE, R_NET_SIZE, type Networks, type PNetOutput } from './network_outputs.ts';
import type { CascadePhoto } from './photo.ts';

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

type Thresholds = DetectionOptions['thresholds'];

/** So many photos of the same size go through P-Net at once, if they are as small as these. */
const P_NET_BATCH = 8;
const P_NET_BATCH_PIXELS = 400_000;

/**
 * On a GPU batches have one of a few sizes: every new tensor shape costs a shader and buffers that tfjs never gives
 * back. The places left over are zero. WebAssembly has neither, and would compute them.
 */
const BATCH_SIZES = [8, 16, 24, 32, 48, 64, 96, 128, 192, 256] as const;
const LARGEST_BATCH = 256;

function paddedCount(count: number, networks: Networks): number {
  return networks.keepsBuffers ? (BATCH_SIZES.find((size) => size >= count) ?? LARGEST_BATCH) : count;
}

/** @returns a detection a photo, in order; boxes are in the photos' (decoded) pixels */
export async function detectInPhotos(
  networks: Networks,
  photos: readonly CascadePhoto[],
  thresholds: Thresholds,
): Promise<Detection[]> {
  const proposed = await propose(networks, photos, thresholds[0]);
  const refined = await refine(networks, photos, proposed, thresholds[1]);
  const faces = await decide(networks, photos, refined, thresholds[2]);
  return photos.map((_, index) => ({
    faces: faces[index]!,
    rNetCount: proposed[index]!.length,
    oNetCount: refined[index]!.length,
  }));
}

/** @returns boxes a photo, as all stages */
export async function propose(
  networks: Networks,
  photos: readonly CascadePhoto[],
  threshold: number,
): Promise<Box[][]> {
  const proposed: Box[][] = photos.map(() => []);
  for (const group of groupsOfOneSize(photos)) {
    const perLevel = await Promise.all(
      photos[group[0]!]!.scales.map(async (scale, index): Promise<Candidate[][]> => {
        const levels = group.map((photo) => photos[photo]!.level(index));
        const { width, height } = levels[0]!;
        const images = levels.map(({ values }) => values);
        const outputs = await networks.clock.during(() => networks.proposals(images, width, height));
        return outputs.map((output) => candidatesOfLevel(output, scale, threshold));
      }),
    );
    group.forEach((index, place) => {
      const candidates = perLevel.flatMap((list) => list[place]!);
      proposed[index] = suppress(candidates, 0.7, 'union')
        .map((kept) => candidates[kept]!)
        .map((candidate) => truncate(square(regress(candidate, candidate.regression, 0))));
    });
  }
  return proposed;
}

function candidatesOfLevel(output: PNetOutput, scale: number, threshold: number): Candidate[] {
  const { scores, regressions, width, height } = output;
  const candidates = generateBoxes(scores, regressions, width, height, scale, threshold);
  return suppress(candidates, 0.5, 'union').map((index) => candidates[index]!);
}

/** Whole batches of small photos of one size; every other photo on its own. */
function groupsOfOneSize(photos: readonly CascadePhoto[]): number[][] {
  const bySize = new Map<string, number[]>();
  photos.forEach(({ width, height, scales }, index) => {
    const key = `${width}x${height}x${scales.length}`;
    const list = bySize.get(key);
    if (list) list.push(index);
    else bySize.set(key, [index]);
  });
  return [...bySize.values()].flatMap((list) => {
    const { width, height } = photos[list[0]!]!;
    const groups: number[][] = [];
    let at = 0;
    if (width * height <= P_NET_BATCH_PIXELS)
      for (; at + P_NET_BATCH <= list.length; at += P_NET_BATCH)
        groups.push(list.slice(at, at + P_NET_BATCH));
    return [...groups, ...list.slice(at).map((index) => [index])];
  });
}

export async function refine(
  networks: Networks,
  photos: readonly CascadePhoto[],
  boxes: readonly (readonly Box[])[],
  threshold: number,
): Promise<Box[][]> {
  const all = await cropAll(photos, boxes, R_NET_SIZE);
  const scores = new Float32Array(all.count);
  const regressions = new Float32Array(all.count * 4);
  for (const { from, count, values } of all.batches(networks)) {
    const output = await networks.clock.during(() => networks.refine(values, values.length / all.length));
    scores.set(output.scores.subarray(0, count), from);
    regressions.set(output.regressions.subarray(0, count * 4), from * 4);
  }
  return boxes.map((list, photo) => {
    const passed = list.flatMap((box, index) => {
      const at = all.offsets[photo]! + index;
      return scores[at]! > threshold ? [{ ...box, score: scores[at]!, at: at * 4 }] : [];
    });
    return suppress(passed, 0.7, 'union')
      .map((index) => passed[index]!)
      .map(({ at, ...box }) => truncate(square(regress(box, regressionAt(regressions, at), 1))));
  });
}

export async function decide(
  networks: Networks,
  photos: readonly CascadePhoto[],
  boxes: readonly (readonly Box[])[],
  threshold: number,
): Promise<DetectedFace[][]> {
  const all = await cropAll(photos, boxes, O_NET_SIZE);
  const scores = new Float32Array(all.count);
  const regressions = new Float32Array(all.count * 4);
  const landmarks = new Float32Array(all.count * 10);
  for (const { from, count, values } of all.batches(networks)) {
    const output = await networks.clock.during(() => networks.output(values, values.length / all.length));
    scores.set(output.scores.subarray(0, count), from);
    regressions.set(output.regressions.subarray(0, count * 4), from * 4);
    landmarks.set(output.landmarks.subarray(0, count * 10), from * 10);
  }
  return boxes.map((list, photo) => {
    const passed = list.flatMap((box, index) => {
      const at = all.offsets[photo]! + index;
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

/** The crops of all photos' boxes, one photo after the other. */
class Crops {
  readonly count: number;
  /** Values of a crop. */
  readonly length: number;
  /** Where each photo's crops begin. */
  readonly offsets: readonly number[];
  readonly #values: readonly Float32Array[];

  constructor(values: readonly Float32Array[], length: number) {
    this.#values = values;
    this.length = length;
    const offsets: number[] = [];
    let count = 0;
    for (const { length: size } of values) {
      offsets.push(count);
      count += size / length;
    }
    this.offsets = offsets;
    this.count = count;
  }

  /** `values` holds `count` crops from number `from` on, and perhaps zeros up to one of the batch sizes. */
  *batches(networks: Networks): Generator<{ from: number; count: number; values: Float32Array }> {
    for (let from = 0; from < this.count; from += LARGEST_BATCH) {
      const count = Math.min(LARGEST_BATCH, this.count - from);
      const values = new Float32Array(paddedCount(count, networks) * this.length);
      this.#values.forEach((source, photo) => {
        const begin = Math.max(from, this.offsets[photo]!);
        const end = Math.min(from + count, this.offsets[photo]! + source.length / this.length);
        if (begin < end) {
          const first = (begin - this.offsets[photo]!) * this.length;
          values.set(
            source.subarray(first, first + (end - begin) * this.length),
            (begin - from) * this.length,
          );
        }
      });
      yield { from, count, values };
    }
  }
}

async function cropAll(
  photos: readonly CascadePhoto[],
  boxes: readonly (readonly Box[])[],
  size: number,
): Promise<Crops> {
  const values = await Promise.all(
    photos.map((photo, index) =>
      boxes[index]!.length === 0 ? new Float32Array() : photo.crops(boxes[index]!, size),
    ),
  );
  return new Crops(values, size * size * 3);
}

function regressionAt(values: Float32Array, at: number) {
  return { dx1: values[at]!, dy1: values[at + 1]!, dx2: values[at + 2]!, dy2: values[at + 3]! };
}
