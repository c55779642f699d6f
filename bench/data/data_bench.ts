/** What the data benchmark asks for and reports; see data_command.ts. */

/** `png` as this program's alignment writes it, `jpeg` as most datasets come. */
export const IMAGE_KINDS = ['png', 'jpeg'] as const;
export type ImageKind = (typeof IMAGE_KINDS)[number];

export interface DecodeSettings {
  readonly kind: ImageKind;
  /** Files in the folder; drawn faces. */
  readonly imageCount: number;
  /** Width and height of each, pixels. */
  readonly imageSize: number;
  readonly batchSize: number;
  /** nrof_preprocess_threads */
  readonly workers: number;
  /** How long it is measured. */
  readonly seconds: number;
}

/** The data path alone: nothing else waits, trains or draws. */
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
  /** Of the page and its workers, while the list of files is held, above what they took before. */
  readonly memoryBytes: number;
}
