/** align.worker: photos as taken → aligned faces. */
import type { JobControl } from '../job_control.ts';
import type { FaceAlignment } from './alignment.ts';
import type { AlignPlanCounts, PhotoRecord } from './align_record.ts';
import type { DatasetTotals } from '../data/dataset.ts';
import type { SkippedFiles } from '../data/skipped_files.ts';
import type { DirectoryReference } from '../data/directories.ts';
import type { BackendMemory, BackendName, DeviceInfo } from '../device.ts';

export interface AlignOptions {
  readonly image_size: number;
  /** Ignored where faces are aligned by their landmarks. */
  readonly margin: number;
  /** Default: by the box, as the original does. */
  readonly alignment?: FaceAlignment | undefined;
  readonly detect_multiple_faces: boolean;
  readonly random_order: boolean;
  readonly minsize: number;
  readonly thresholds: readonly [number, number, number];
  readonly factor: number;
}

export const DEFAULT_ALIGN_OPTIONS: AlignOptions = {
  image_size: 182,
  margin: 44,
  detect_multiple_faces: false,
  random_order: false,
  minsize: 20,
  thresholds: [0.6, 0.7, 0.7],
  factor: 0.709,
};

export type AlignOutput =
  | { readonly kind: 'directory'; readonly directory: DirectoryReference }
  /** A zip file is streamed here; the stream is transferred. */
  | { readonly kind: 'zip'; readonly stream: WritableStream<Uint8Array> };

export interface AlignRequest {
  readonly input: readonly DirectoryReference[];
  readonly output: AlignOutput;
  readonly options: AlignOptions;
  readonly backend?: BackendName | undefined;
  /** Only these photos, by their paths; default: all. */
  readonly paths?: readonly string[] | undefined;
  /** A person tries these photos with settings of their own: later alignments with other settings keep the faces. */
  readonly isByHand?: boolean | undefined;
}

/** A face in the original photo's pixels. */
export interface DetectedFace {
  /** x1, y1, x2, y2 */
  readonly box: readonly [number, number, number, number];
  readonly score: number;
  /** left eye, right eye, nose, mouth left, mouth right */
  readonly landmarksX: readonly number[];
  readonly landmarksY: readonly number[];
}

export type AlignFailureReason = 'unreadable' | 'no-face' | 'too-small' | 'not-written';

export interface AlignFailure {
  readonly path: string;
  readonly reason: AlignFailureReason;
  /** One sentence for the person. */
  readonly message: string;
}

export type AlignEvent =
  /** The folders are read; nothing is aligned yet. */
  | ({ readonly kind: 'reading' } & DatasetTotals)
  | { readonly kind: 'started'; readonly total: number; readonly skipped: number; readonly device: string }
  | {
      readonly kind: 'aligned';
      readonly path: string;
      readonly outputPaths: readonly string[];
      readonly width: number;
      readonly height: number;
      readonly faces: readonly DetectedFace[];
      /** Indices into faces of those written. */
      readonly chosen: readonly number[];
      /** The first crop, for the live grid; rate limited, so not present on every event. */
      readonly thumbnail?: ImageBitmap | undefined;
    }
  | { readonly kind: 'failed'; readonly failure: AlignFailure }
  /**
   * The permission for a folder was withdrawn. The job waits: ask for the permission again, then resume or cancel the
   * job's control.
   */
  | { readonly kind: 'paused'; readonly message: string }
  /** It goes on after such a pause. */
  | { readonly kind: 'resumed' }
  | {
      readonly kind: 'progress';
      readonly done: number;
      readonly total: number;
      readonly photosPerSecond: number;
      readonly secondsLeft: number;
    };

/** Where the time of an alignment went: how long each stage was busy, added up over the workers that do it. */
export interface AlignTimes {
  /** Photos → pixels. */
  readonly decodeMs: number;
  /** The cascade: pyramids and crops on the processor, the three networks on the backend. */
  readonly resizeMs: number;
  readonly networksMs: number;
  /** Cutting out, resizing and encoding the aligned faces. */
  readonly encodeMs: number;
  /** Into the output. */
  readonly writeMs: number;
}

/** What a person decided about a photo that was aligned into a folder. */
export interface FaceDecision {
  readonly input: readonly DirectoryReference[];
  readonly output: DirectoryReference;
  /** The photo's. */
  readonly path: string;
  /** Of its aligned face. */
  readonly outputPath: string;
  readonly options: Pick<AlignOptions, 'image_size' | 'margin' | 'alignment'>;
}

export interface AlignSummary {
  /** The original's two closing numbers. */
  readonly totalImages: number;
  readonly successfullyAligned: number;
  readonly skippedExisting: number;
  /** How the photos stood to what was in the output when the alignment began. */
  readonly existing: AlignPlanCounts;
  /**
   * Photos whose face could not get the photo's name, because another photo of the class has it (`a.jpg` and `a.png`,
   * or the same name in two folders), and the name it got instead.
   */
  readonly renamed: readonly { readonly path: string; readonly outputPath: string }[];
  /** Files of the input that are not used, by reason: with all photos they are all files. */
  readonly skipped: readonly SkippedFiles[];
  readonly failures: readonly AlignFailure[];
  /** Photos that other processes aligned into the folder, or tried in vain, while this one was at work. */
  readonly elsewhere: { readonly aligned: number; readonly failed: number };
  /** Photos with the same bytes in several identities, of those that were read. */
  readonly duplicates: readonly DuplicatePhotos[];
  /** Photos that a person has set aside; they are no failures, and have no face in the output. */
  readonly setAside: readonly string[];
  readonly cancelled: boolean;
  readonly durationMs: number;
  readonly times: AlignTimes;
}

/** The paths of one photo that is there more than once. */
export type DuplicatePhotos = readonly string[];

/** One line of `detect`'s output: the format of mtcnn-expected.jsonl. */
export interface DetectionRecord {
  readonly image: string;
  readonly width: number;
  readonly height: number;
  readonly n_rnet_in: number;
  readonly n_onet_in: number;
  readonly faces: readonly {
    readonly box: readonly number[];
    readonly score: number;
    readonly landmarks_x: readonly number[];
    readonly landmarks_y: readonly number[];
  }[];
  /** Index of the face that alignment would keep; absent, as are the crop boxes, without a face. */
  readonly chosen?: number;
  readonly crop_margin32?: readonly number[];
  readonly crop_margin44?: readonly number[];
  readonly error?: string;
}

export interface DetectSummary {
  readonly images: number;
  readonly faces: number;
  readonly failures: number;
  /** Files that are not used, by reason. */
  readonly skipped: readonly SkippedFiles[];
}

export interface AlignWorkerApi {
  describeDevice(): Promise<DeviceInfo>;
  align(
    request: AlignRequest,
    control: JobControl,
    onEvent: (event: AlignEvent) => void,
  ): Promise<AlignSummary>;
  detect(
    input: readonly DirectoryReference[],
    options: AlignOptions,
    backend: BackendName | undefined,
    control: JobControl,
    onRecord: (record: DetectionRecord, done: number, total: number) => void,
  ): Promise<DetectSummary>;
  /** What an alignment of this request would do, without doing it. @throws NoImagesError */
  plan(request: AlignRequest, control: JobControl): Promise<AlignPlanCounts>;
  /** What is noted down about the photos whose faces are in the folder; faces made elsewhere have no record. */
  records(output: DirectoryReference): Promise<PhotoRecord[]>;
  /** Removes these faces, and what is noted about them. The photos, if they are there, are aligned again the next time. */
  removeFaces(output: DirectoryReference, outputPaths: readonly string[]): Promise<void>;
  /** Cuts this face out of the photo in place of the one that is written. @throws FaceOutsideError */
  takeFace(decision: FaceDecision, face: DetectedFace): Promise<void>;
  /** Removes the photo's faces; later alignments into the folder do not align it. */
  setAside(output: DirectoryReference, path: string, outputPaths: readonly string[]): Promise<void>;
  /** The next alignment takes the photo again. */
  takeBack(output: DirectoryReference, path: string): Promise<void>;
  memory(): Promise<BackendMemory>;
}
