/** How a model's images are standardised before the network, in the words that page, terminal and files share. */

/** `fixed`: (p − 127.5)/128; `per_image`: (p − mean)/max(deviation, 1/√N) over all N values of each image. */
export type ImageStandardization = 'fixed' | 'per_image';

export const IMAGE_STANDARDIZATIONS: readonly ImageStandardization[] = ['fixed', 'per_image'];

/** What a model needs, and how that is known. */
export interface StandardizationFact {
  readonly value: ImageStandardization;
  /** The end of a sentence: `as stated in its file`. */
  readonly basis: string;
}

export function standardizationOf(useFixedImageStandardization: boolean): ImageStandardization {
  return useFixedImageStandardization ? 'fixed' : 'per_image';
}

/** `fixed: (p − 127.5)/128` */
export function standardizationWords(value: ImageStandardization): string {
  return value === 'fixed' ? 'fixed: (p − 127.5)/128' : 'per image: (p − mean)/max(deviation, 1/√N)';
}

/** For a model of which nobody knows it. */
export const STANDARDIZATION_HELP =
  'Models of facenet-pytorch and the FaceNet models published in 2018 need “fixed”. Models of keras-facenet and the FaceNet models published in 2017 need “per image”.';
