/**
 * Cuts faces out of photos so that their landmarks match a template: a similarity transform (scale, rotation, shift)
 * by least squares, with bilinear interpolation of the photo.
 */
import type { DetectedFace } from '../protocol/align/align.ts';
import { templateOfSize, type LandmarkAlignment } from '../protocol/align/alignment.ts';
import type { RgbImage } from '../protocol/data/images.ts';

/** Red, green and blue of the current pixel. */
const sums = new Float64Array(3);

/** Maps pixels of the photo to pixels of the crop: x' = a·x − b·y + left, y' = b·x + a·y + top. */
export interface Similarity {
  readonly a: number;
  readonly b: number;
  readonly left: number;
  readonly top: number;
}

/**
 * The transform with the least sum of squared distances: Umeyama, "Least-squares estimation of transformation
 * parameters between two point patterns", 1991. In the plane, and without reflection, it has this closed form.
 * @throws Error if all points are the same
 */
export function similarityBetween(
  from: readonly (readonly [number, number])[],
  to: readonly (readonly [number, number])[],
): Similarity {
  const meanOf = (points: typeof from, axis: 0 | 1): number =>
    points.reduce((sum, point) => sum + point[axis], 0) / points.length;
  const [fromX, fromY] = [meanOf(from, 0), meanOf(from, 1)];
  const [toX, toY] = [meanOf(to, 0), meanOf(to, 1)];
  let [along, across, squares] = [0, 0, 0];
  from.forEach(([x, y], index) => {
    const [u, v] = [x - fromX, y - fromY];
    const [s, t] = [to[index]![0] - toX, to[index]![1] - toY];
    along += u * s + v * t;
    across += u * t - v * s;
    squares += u * u + v * v;
  });
  if (squares === 0) throw new Error('Landmarks that are all the same point have no direction.');
  const [a, b] = [along / squares, across / squares];
  return { a, b, left: toX - a * fromX + b * fromY, top: toY - b * fromX - a * fromY };
}

/** @param size width and height of the crop, pixels */
export function faceSimilarity(
  { landmarksX, landmarksY }: DetectedFace,
  alignment: LandmarkAlignment,
  size: number,
): Similarity {
  const points = landmarksX.map((x, index) => [x, landmarksY[index]!] as const);
  return similarityBetween(points, templateOfSize(alignment, size));
}

/**
 * Interpolates bilinearly; black outside the photo.
 * @param origin where the image begins in the photo, if it is only the part that `areaOfSimilarity` gives
 * @returns size × size pixels, rounded to the nearest level
 */
export function cutAligned(
  image: RgbImage,
  { a, b, left, top }: Similarity,
  size: number,
  origin: readonly [x: number, y: number] = [0, 0],
): RgbImage {
  const { width, height, data } = image;
  const result = new Uint8Array(size * size * 3);
  const determinant = a * a + b * b;
  const [inverseA, inverseB] = [a / determinant, b / determinant];
  for (let row = 0; row < size; row++)
    for (let column = 0; column < size; column++) {
      const [u, v] = [column - left, row - top];
      const x = inverseA * u + inverseB * v;
      const y = inverseA * v - inverseB * u;
      const [x0, y0] = [Math.floor(x), Math.floor(y)];
      const [shareX, shareY] = [x - x0, y - y0];
      const target = (row * size + column) * 3;
      for (let dy = 0; dy <= 1; dy++)
        for (let dx = 0; dx <= 1; dx++) {
          const [px, py] = [x0 + dx - origin[0], y0 + dy - origin[1]];
          if (px < 0 || py < 0 || px >= width || py >= height) continue;
          const weight = (dx ? shareX : 1 - shareX) * (dy ? shareY : 1 - shareY);
          const source = (py * width + px) * 3;
          for (let c = 0; c < 3; c++) sums[c]! += weight * data[source + c]!;
        }
      for (let c = 0; c < 3; c++) {
        result[target + c] = Math.floor(sums[c]! + 0.5);
        sums[c] = 0;
      }
    }
  return { width: size, height: size, data: result };
}

/** The pixels [x1, x2) × [y1, y2) that `cutAligned` reads of a photo of this size. */
export function areaOfSimilarity(
  { a, b, left, top }: Similarity,
  size: number,
  width: number,
  height: number,
): readonly [x1: number, y1: number, x2: number, y2: number] {
  const determinant = a * a + b * b;
  const corners = [0, size - 1].flatMap((column) =>
    [0, size - 1].map((row) => {
      const [u, v] = [column - left, row - top];
      return [(a * u + b * v) / determinant, (a * v - b * u) / determinant] as const;
    }),
  );
  const [xs, ys] = [corners.map(([x]) => x), corners.map(([, y]) => y)];
  const inside = (value: number, length: number): number => Math.min(Math.max(value, 0), length);
  return [
    inside(Math.floor(Math.min(...xs)), width),
    inside(Math.floor(Math.min(...ys)), height),
    inside(Math.floor(Math.max(...xs)) + 2, width),
    inside(Math.floor(Math.max(...ys)) + 2, height),
  ];
}
