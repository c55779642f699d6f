/**
 * Every type that crosses a worker boundary. The page holds these types and the workers' comlink proxies, and nothing
 * else of what is below workers/.
 */
import type { DirectoryReference } from './dataset/directory.ts';
import type { TrainingOptions } from './training/options.ts';

export type { DirectoryReference } from './dataset/directory.ts';
export type { TrainingOptions } from './training/options.ts';

// ---------------------------------------------------------------------------------------------------------------
// Errors: comlink passes name and message; the page shows the message, the console the cause.

/** What a worker throws at the page for anything a person can act on; `message` is one clear sentence. */
export interface PlainError {
  readonly name: string;
  readonly message: string;
}

// ---------------------------------------------------------------------------------------------------------------
// The device

export type BackendName = 'webgpu' | 'wasm';

export interface DeviceInfo {
  /** What jobs run on when nothing else is asked for. */
  readonly backend: BackendName;
  /** A WebGPU adapter was found, hardware or software. */
  readonly hasWebGpu: boolean;
  /** The adapter is a program on the CPU (SwiftShader, llvmpipe, WARP): correct, and slow. */
  readonly isSoftware: boolean;
  /** E.g. `nvidia hopper` or `SwiftShader (software)`; empty without WebGPU. */
  readonly adapter: string;
  /** One sentence that says why it will be slow, or what is missing and what to do; empty when all is well. */
  readonly advice: string;
}

// ---------------------------------------------------------------------------------------------------------------
// dataset.worker: folders, classes, sample faces

export interface DatasetSummary {
  readonly name: string;
  /** Sorted by name. */
  readonly classes: readonly { readonly name: string; readonly imageCount: number }[];
  readonly imageCount: number;
  /** Files that are no images, and images that lie in no class folder. */
  readonly ignoredCount: number;
  /** The first few of the ignored files' paths. */
  readonly ignoredExamples: readonly string[];
}

export interface SampleFacesOptions {
  readonly seed: number;
  readonly people: number;
  readonly photosPerPerson: number;
}

export interface DatasetWorkerApi {
  /** Reads names only; `onProgress` gets the number of files seen so far. @throws NoImagesError */
  scan(references: DirectoryReference[], onProgress?: (fileCount: number) => void): Promise<DatasetSummary>;
  /** Draws the sample faces into the private file system, unless they are there; returns their folder. */
  makeSampleFaces(
    options: SampleFacesOptions,
    onProgress?: (done: number, total: number) => void,
  ): Promise<DirectoryReference>;
  /** Small pictures for a grid: at most `count` images of the folder, spread over its classes. */
  thumbnails(references: DirectoryReference[], count: number, sizePx: number): Promise<Thumbnail[]>;
}

export interface Thumbnail {
  readonly path: string;
  readonly bitmap: ImageBitmap;
}

// ---------------------------------------------------------------------------------------------------------------
// align.worker

export interface AlignOptions {
  readonly image_size: number;
  readonly margin: number;
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
  | {
      readonly kind: 'progress';
      readonly done: number;
      readonly total: number;
      readonly photosPerSecond: number;
      readonly secondsLeft: number;
    };

export interface AlignSummary {
  /** The original's two closing numbers. */
  readonly totalImages: number;
  readonly successfullyAligned: number;
  readonly skippedExisting: number;
  /**
   * Photos whose face could not get the photo's name, because another photo of the class has it (`a.jpg` and `a.png`,
   * or the same name in two folders), and the name it got instead.
   */
  readonly renamed: readonly { readonly path: string; readonly outputPath: string }[];
  readonly failures: readonly AlignFailure[];
  readonly cancelled: boolean;
  readonly durationMs: number;
}

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

export interface AlignWorkerApi {
  describeDevice(): Promise<DeviceInfo>;
  align(request: AlignRequest, onEvent: (event: AlignEvent) => void): Promise<AlignSummary>;
  detect(
    input: readonly DirectoryReference[],
    options: AlignOptions,
    backend: BackendName | undefined,
    onRecord: (record: DetectionRecord, done: number, total: number) => void,
  ): Promise<{ images: number; faces: number; failures: number }>;
  pause(): void;
  resume(): void;
  cancel(): void;
}

// ---------------------------------------------------------------------------------------------------------------
// train.worker: training, evaluation, export, conformance

export interface TrainRequest {
  readonly options: TrainingOptions;
  readonly data: readonly DirectoryReference[];
  /** Evaluated after each epoch when given. */
  readonly lfw?: PairsSource | undefined;
  readonly pretrained?: ModelReference | undefined;
  /** The table that options.filter_filename names: distances to the class centre, as text or in an HDF5 file. */
  readonly filterTable?: Blob | string | undefined;
  /** Where the terminal wants real files: run folders are made below these. */
  readonly logsBase?: DirectoryReference | undefined;
  readonly modelsBase?: DirectoryReference | undefined;
  /** Goes on with this run from its newest whole checkpoint; everything else but `data` is then taken from the run. */
  readonly resumeRunId?: string | undefined;
}

export type RunStatus = 'running' | 'paused' | 'interrupted' | 'finished' | 'stopped' | 'failed';

/** A run as IndexedDB knows it; its id is its name, yyyymmdd-hhmmss. */
export interface RunRecord {
  readonly id: string;
  readonly createdAt: number;
  readonly status: RunStatus;
  readonly options: TrainingOptions;
  readonly datasetName: string;
  readonly classNames: readonly string[];
  readonly imageCount: number;
  /** `<class>/<file>` of the images that the filter table leaves out. */
  readonly filteredImages?: readonly string[] | undefined;
  /** Handles and private paths, so that a later visit can go on; kind 'files' cannot be remembered. */
  readonly data: readonly DirectoryReference[];
  readonly lfw?: PairsSource | undefined;
  readonly step: number;
  readonly epoch: number;
  readonly device: string;
  readonly lastEvaluation?: EvaluationSummary | undefined;
  readonly error?: string | undefined;
}

/** One step, as charts and logs need it. */
export interface StepRecord {
  /** Steps done, this one included. */
  readonly step: number;
  /** From 1. */
  readonly epoch: number;
  /** Batch in the epoch, from 1. */
  readonly batch: number;
  readonly totalLoss: number;
  readonly crossEntropy: number;
  readonly regularization: number;
  readonly prelogitsNorm: number;
  readonly centerLoss: number;
  readonly accuracy: number;
  readonly learningRate: number;
  readonly stepMs: number;
  /** Of stepMs, the time spent waiting for images. */
  readonly dataWaitMs: number;
  /** When it ended, milliseconds since 1970. */
  readonly at?: number | undefined;
}

/** What is known of a validation's or evaluation's time; not of those of older runs. */
interface Timed {
  /** When it ended, milliseconds since 1970. */
  readonly at?: number | undefined;
  readonly durationMs?: number | undefined;
}

export interface ValidationRecord extends Timed {
  readonly step: number;
  readonly epoch: number;
  readonly crossEntropy: number;
  readonly accuracy: number;
}

export interface EvaluationSummary extends Timed {
  readonly step: number;
  readonly epoch: number;
  readonly accuracy: number;
  readonly valRate: number;
}

export type TrainEvent =
  | {
      readonly kind: 'started';
      readonly run: RunRecord;
      readonly device: DeviceInfo;
      readonly executor: string;
      readonly parameterCount: number;
      readonly stepsPerEpoch: number;
    }
  | { readonly kind: 'step'; readonly record: StepRecord }
  | { readonly kind: 'validation'; readonly record: ValidationRecord }
  | { readonly kind: 'evaluation'; readonly record: EvaluationSummary }
  | {
      readonly kind: 'checkpoint';
      readonly step: number;
      readonly durationMs: number;
      readonly sizeBytes: number;
    }
  | { readonly kind: 'status'; readonly status: RunStatus; readonly message: string }
  | { readonly kind: 'warning'; readonly message: string };

export interface TrainSummary {
  readonly run: RunRecord;
  readonly lastStep?: StepRecord | undefined;
}

/** A model to evaluate, export or start from. */
export type ModelReference =
  | { readonly kind: 'run'; readonly runId: string }
  /** A folder or a file that holds one of the formats this program reads. */
  | { readonly kind: 'directory'; readonly directory: DirectoryReference; readonly path?: string | undefined }
  | { readonly kind: 'file'; readonly file: File };

/** Where the pairs of an evaluation come from. */
export interface PairsSource {
  readonly images: readonly DirectoryReference[];
  /** The text of a pairs file; without it pairs are generated from the class folders. */
  readonly pairsText?: string | undefined;
  readonly generate?: { readonly seed: number; readonly pairsPerFold: number } | undefined;
  readonly lfw_nrof_folds: number;
}

export interface EvaluationOptions {
  readonly lfw_batch_size: number;
  readonly image_size: number;
  /** 0: squared Euclidean, 1: angle / π */
  readonly lfw_distance_metric: 0 | 1;
  readonly lfw_use_flipped_images: boolean;
  readonly lfw_subtract_mean: boolean;
  readonly use_fixed_image_standardization: boolean;
}

/** Default: what the model was trained with. */
type ModelsOwnOptions = 'image_size' | 'use_fixed_image_standardization';

export interface EvaluateRequest {
  readonly model: ModelReference;
  readonly pairs: PairsSource;
  readonly options: Omit<EvaluationOptions, ModelsOwnOptions> &
    Partial<Pick<EvaluationOptions, ModelsOwnOptions>>;
  readonly backend?: BackendName | undefined;
}

/** LFW-style metrics; see evaluation/. Rates are 0 … 1. */
export interface EvaluationResult {
  readonly accuracy: number;
  readonly accuracyStd: number;
  readonly accuracyPerFold: readonly number[];
  readonly bestThresholdPerFold: readonly number[];
  readonly val: number;
  readonly valStd: number;
  readonly far: number;
  readonly farTarget: number;
  readonly auc: number;
  readonly eer: number;
  /** The mean ROC over the folds: false and true accept rates by threshold. */
  readonly roc: { readonly falseAcceptRate: Float64Array; readonly trueAcceptRate: Float64Array };
  readonly pairCount: number;
  readonly skippedPairs: number;
  /** The first few causes, e.g. `Tony_Blair 7: image not found`. */
  readonly skippedExamples: readonly string[];
  readonly imageCount: number;
  readonly durationMs: number;
}

export interface EvaluationProgress {
  readonly done: number;
  readonly total: number;
  readonly imagesPerSecond: number;
}

export type ExportFormat = 'tfjs' | 'safetensors';

export interface ExportRequest {
  readonly model: ModelReference;
  readonly format: ExportFormat;
  /** Fold batch norms into the convolutions. Always done for tfjs; safetensors keeps the original's variables. */
  readonly output: AlignOutput;
}

export interface ExportSummary {
  readonly files: readonly { readonly path: string; readonly sizeBytes: number }[];
  /** Largest absolute difference of the embeddings between the model and its reloaded export, over test images. */
  readonly verifiedMaxAbsError: number;
}

export interface ConformanceRequest {
  /** The fixture file's text. */
  readonly fixture: string;
  readonly backend?: BackendName | undefined;
  readonly executor?: 'engine' | 'tfjs' | undefined;
}

/** For a model fixture or a metrics fixture; keys as the terminal's --json prints them. */
export interface ConformanceReport {
  readonly kind: 'model' | 'metrics';
  readonly figures: Readonly<Record<string, number>>;
  /** Each bound that was held against a figure. */
  readonly bounds: readonly { readonly figure: string; readonly bound: number; readonly holds: boolean }[];
  readonly device: string;
}

export interface TrainWorkerApi {
  describeDevice(): Promise<DeviceInfo>;
  train(request: TrainRequest, onEvent: (event: TrainEvent) => void): Promise<TrainSummary>;
  /** Writes a checkpoint, then waits. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Writes a checkpoint, then ends the run as 'stopped'. */
  stop(): Promise<void>;
  evaluate(
    request: EvaluateRequest,
    onProgress?: (progress: EvaluationProgress) => void,
  ): Promise<EvaluationResult>;
  cancelEvaluation(): void;
  exportModel(request: ExportRequest): Promise<ExportSummary>;
  conformance(request: ConformanceRequest, onMessage?: (message: string) => void): Promise<ConformanceReport>;
}

// ---------------------------------------------------------------------------------------------------------------
// library.worker: what is stored in this browser

export interface RememberedFolder {
  readonly id: string;
  readonly reference: DirectoryReference;
  /** What it was used as. */
  readonly role: 'photos' | 'aligned' | 'lfw' | 'output';
  readonly lastUsedAt: number;
}

export interface LibraryWorkerApi {
  /** Newest first. A run whose worker is gone is shown as 'interrupted'. */
  listRuns(): Promise<RunRecord[]>;
  readSteps(runId: string): Promise<StepRecord[]>;
  readValidations(runId: string): Promise<ValidationRecord[]>;
  readEvaluations(runId: string): Promise<EvaluationSummary[]>;
  /**
   * The files of a run's log folder, by path (`<run>/arguments.txt`, `<run>/stat.h5`, TensorBoard's events …), from
   * what is stored of it.
   * @throws RunMissingError
   */
  buildRunFiles(runId: string): Promise<ReadonlyMap<string, Blob>>;
  deleteRun(runId: string): Promise<void>;
  rememberFolder(reference: DirectoryReference, role: RememberedFolder['role']): Promise<void>;
  listFolders(role?: RememberedFolder['role']): Promise<RememberedFolder[]>;
  forgetFolder(id: string): Promise<void>;
  /** Runs, checkpoints, remembered folders, private datasets: all of it. */
  deleteEverything(): Promise<void>;
  estimate(): Promise<{ usedBytes: number; quotaBytes: number }>;
}
