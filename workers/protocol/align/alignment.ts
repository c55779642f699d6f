/**
 * How a face is cut out of its photo: by the box around it, as the original does, or by its five landmarks, which are moved
 * onto a template. A model works with the alignment that it was trained on.
 */

export const FACE_ALIGNMENTS = ['box', 'dlib', 'arcface'] as const;
export type FaceAlignment = (typeof FACE_ALIGNMENTS)[number];

/** By landmarks. */
export type LandmarkAlignment = Exclude<FaceAlignment, 'box'>;

export interface LandmarkTemplate {
  /** Width and height of the picture that the points are given for, pixels. */
  readonly size: number;
  /** [x, y] of the left eye, right eye, nose, left and right corner of the mouth, as seen in the picture. */
  readonly points: readonly (readonly [number, number])[];
}

export const LANDMARK_TEMPLATES: Readonly<Record<LandmarkAlignment, LandmarkTemplate>> = {
  /** For dlib's network: the five points of MTCNN on its chips of 150 pixels. */
  dlib: {
    size: 150,
    points: [
      [47.5, 46.6],
      [100.5, 46.6],
      [74, 76.6],
      [50.4, 103],
      [97.6, 103],
    ],
  },
  /** Deng et al., "ArcFace: Additive Angular Margin Loss for Deep Face Recognition", 2019: insightface's template. */
  arcface: {
    size: 112,
    points: [
      [38.2946, 51.6963],
      [73.5318, 51.5014],
      [56.0252, 71.7366],
      [41.5493, 92.3655],
      [70.7299, 92.2041],
    ],
  },
};

/**
 * The template for pictures of another size. Insightface has one rule for multiples of 112 and one for multiples of
 * 128, which leave more room at the sides; every other size scales the template.
 */
export function templateOfSize(alignment: LandmarkAlignment, size: number): LandmarkTemplate['points'] {
  const template = LANDMARK_TEMPLATES[alignment];
  if (alignment === 'arcface' && size % 112 !== 0 && size % 128 === 0) {
    const scale = size / 128;
    return template.points.map(([x, y]) => [(x + 8) * scale, y * scale] as const);
  }
  const scale = size / template.size;
  return template.points.map(([x, y]) => [x * scale, y * scale] as const);
}
