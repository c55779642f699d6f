/** Turns detected faces into the crops for training. */
import type { RgbImage } from '../protocol/data/images.ts';
import { resizeBilinear } from '../files/images/resize_bilinear.ts';
import type { DetectedFace } from '../protocol/align/align.ts';
import { cutOut } from './crops.ts';

/**
 * Chooses the face that alignment keeps: the one with the largest area − 2·(distance between face and image centre)².
 * @returns its index; −1 if there are no faces
 */
export function chooseFace(faces: readonly DetectedFace[], width: number, height: number): number {
  let best = -1;
  let bestMerit = -Infinity;
  faces.forEach(({ box: [x1, y1, x2, y2] }, index) => {
    const dx = (x1 + x2) / 2 - width / 2;
    const dy = (y1 + y2) / 2 - height / 2;
    const merit = (x2 - x1) * (y2 - y1) - 2 * (dx * dx + dy * dy);
    if (merit > bestMerit) {
      bestMerit = merit;
      best = index;
    }
  });
  return best;
}

export type CropBox = readonly [x1: number, y1: number, x2: number, y2: number];

/** The box with half the margin added on each side, inside the image, in whole pixels (truncated). */
export function cropBox(box: DetectedFace['box'], margin: number, width: number, height: number): CropBox {
  return [
    Math.trunc(Math.max(box[0] - margin / 2, 0)),
    Math.trunc(Math.max(box[1] - margin / 2, 0)),
    Math.trunc(Math.min(box[2] + margin / 2, width)),
    Math.trunc(Math.min(box[3] + margin / 2, height)),
  ];
}

/** @returns undefined for a crop without area */
export function cropFace(
  image: RgbImage,
  [x1, y1, x2, y2]: CropBox,
  imageSize: number,
): RgbImage | undefined {
  const width = x2 - x1;
  const height = y2 - y1;
  if (width < 1 || height < 1) return undefined;
  return resizeBilinear({ width, height, data: cutOut(image, x1, y1, width, height) }, imageSize, imageSize);
}
