/** Options and report of the data benchmark; see data_command.ts. */

/** `png` as alignment writes it, `jpeg` as in most datasets. */
export const IMAGE_KINDS = ['png', 'jpeg'] as const;
export type ImageKind = (typeof IMAGE_KINDS)[number];

export interface DecodeSettings {
  readonly kind: ImageKind;
  /** Number of files in the folder, which show drawn faces. */
  readonly imageCount: number;
  /** Width and height of each file, pixels. */
  readonly imageSize: number;
  readonly batchSize: number;
  /** nrof_preprocess_threads */
  readonly workers: number;
  /** Duration of the measurement. */
  readonly seconds: number;
}

/** Only the data path. Nothing trains or draws at the same time. */
export interface DecodeRate {
  readonly kind: ImageKind;
  readonly imagesPerSecond: number;
  readonly images: number;
  readonly seconds: number;
  readonly meanFileBytes: number;
}

export interface ScanReport {
  readonly files: number;
  readonly classes: number;
  readonly seconds: number;
  /** How much the memory of the page and its workers grows by the list of files. */
  readonly memoryBytes: number;
}
