/** Turns detected faces into the crops for training. */
import type { RgbImage } from '../protocol/data/images.ts';
import { resizeBilinear } from '../files/images/resize_bilinear.ts';
import type { AlignOptions, DetectedFace } from '../protocol/align/align.ts';
import { cutOut } from './crops.ts';
import { areaOfSimilarity, cutAligned, faceSimilarity, type Similarity } from './landmark_alignment.ts';

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

/** What is cut out of a photo as one face: a box, or a square that lies along the face's landmarks. */
export type FaceCut = CropBox | Similarity;

export type CutOptions = Pick<AlignOptions, 'image_size' | 'margin' | 'alignment'>;

export function faceCut(
  face: DetectedFace,
  { image_size, margin, alignment = 'box' }: CutOptions,
  width: number,
  height: number,
): FaceCut {
  return alignment === 'box'
    ? cropBox(face.box, margin, width, height)
    : faceSimilarity(face, alignment, image_size);
}

/** The part of the photo that a cut needs, in whole pixels; without area where the cut lies outside of the photo. */
export function boxOfCut(cut: FaceCut, imageSize: number, width: number, height: number): CropBox {
  return 'a' in cut ? areaOfSimilarity(cut, imageSize, width, height) : cut;
}

/** @returns undefined for a cut without area */
export function cutFace(image: RgbImage, cut: FaceCut, imageSize: number): RgbImage | undefined {
  if (!('a' in cut)) return cropFace(image, cut, imageSize);
  const [x1, y1, x2, y2] = areaOfSimilarity(cut, imageSize, image.width, image.height);
  return x2 > x1 && y2 > y1 ? cutAligned(image, cut, imageSize) : undefined;
}
