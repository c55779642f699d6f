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
  /** Keeps folders open for `list` and `pictures`, which know them by the number. */
  open(references: DirectoryReference[]): Promise<number>;
  /** The paths of all images, in order, with NUL between them: one long text crosses faster than 100,000 short ones. */
  list(folder: number): Promise<string>;
  /** Those of the images that can be decoded. */
  pictures(folder: number, paths: readonly string[], shape: PictureShape): Promise<Thumbnail[]>;
}

/** The middle square, or the whole photo with this as its longer side at most. */
export interface PictureShape {
  readonly sizePx: number;
  readonly isWhole: boolean;
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
  /** Only these photos, by their paths; default: all. */
  readonly paths?: readonly string[] | undefined;
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
  /**
   * The permission for a folder was withdrawn. The job waits: ask for the permission again, then call resume(), or
   * cancel().
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
  /** What the person wrote about it. */
  readonly notes?: string | undefined;
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

/** `safetensors` with the original's names, `safetensors-pytorch` with facenet-pytorch's. */
export type ExportFormat = 'tfjs' | 'onnx' | 'safetensors' | 'safetensors-pytorch';

export interface ExportRequest {
  readonly model: ModelReference;
  /** tfjs and onnx get their batch norms folded into the convolutions; safetensors keeps all variables. */
  readonly format: ExportFormat;
  /** How weights are stored; default float32. float16 halves the files, and readers compute with float32. */
  readonly dtype?: 'float32' | 'float16' | undefined;
  /** Of onnx: [N, S, S, 3], the default, or [N, 3, S, S]. */
  readonly inputLayout?: 'nhwc' | 'nchw' | undefined;
  /** Of onnx: the model standardises by itself, its input are values 0 … 255. Default: false. */
  readonly includeStandardization?: boolean | undefined;
  readonly output: AlignOutput;
}

/** What of a foreign file maps to the network's parameters. */
export interface ImportReport {
  readonly file: string;
  /** E.g. `PyTorch state dict`. */
  readonly kind: string;
  /** Whose names they are: `facenet-pytorch`. */
  readonly program: string;
  readonly model_def: string;
  readonly embedding_size: number;
  /** The number of the network's parameters. */
  readonly total: number;
  /** The classifier's two are among them where they fit. */
  readonly mapped: readonly { readonly parameter: string; readonly source: string }[];
  readonly missing: readonly string[];
  readonly wrongShapes: readonly {
    readonly parameter: string;
    readonly expected: readonly number[];
    readonly found: readonly number[];
  }[];
  readonly extra: readonly string[];
  /** The number of batch norms whose factor was folded into the layer before. */
  readonly foldedGammas: number;
  readonly notes: readonly string[];
}

export interface ExportSummary {
  readonly files: readonly { readonly path: string; readonly sizeBytes: number }[];
  /** Largest absolute difference of the embeddings between the model and its reloaded export, over test images. */
  readonly verifiedMaxAbsError: number;
}

/** The original's export_embeddings: a folder of aligned faces → embeddings.npy, labels.npy, label_strings.npy. */
export interface EmbedRequest {
  readonly model: ModelReference;
  readonly images: readonly DirectoryReference[];
  readonly output: AlignOutput;
  readonly batch_size: number;
  readonly backend?: BackendName | undefined;
}

export interface EmbedSummary {
  readonly imageCount: number;
  readonly embeddingSize: number;
  readonly classNames: readonly string[];
  /** Images that could not be read, and are left out: why. */
  readonly failures: readonly string[];
  readonly files: readonly { readonly path: string; readonly sizeBytes: number }[];
}

/** The original's compare: photos as taken, aligned on the spot. */
export interface CompareRequest {
  readonly model: ModelReference;
  readonly images: readonly { readonly directory: DirectoryReference; readonly path: string }[];
  /** Around the face, pixels of the photo. */
  readonly margin: number;
  /** PNG files of the aligned faces come back. */
  readonly includeCrops?: boolean | undefined;
  readonly backend?: BackendName | undefined;
}

export interface CompareResult {
  /** Those with a face, in the order asked for. */
  readonly images: readonly {
    /** In the request. */
    readonly index: number;
    readonly path: string;
    readonly crop?: Blob | undefined;
  }[];
  readonly failures: readonly { readonly path: string; readonly message: string }[];
  /** Euclidean, a row an image. */
  readonly distances: readonly (readonly number[])[];
}

/** The original's classifier: a linear support vector machine on the embeddings of aligned faces. */
export interface ClassifyRequest {
  readonly mode: 'TRAIN' | 'CLASSIFY';
  readonly model: ModelReference;
  readonly images: readonly DirectoryReference[];
  /** The classifier file's text, for CLASSIFY. */
  readonly classifier?: string | undefined;
  /** use_split_dataset: TRAIN takes so many images of each class that has enough, CLASSIFY the others. */
  readonly split?:
    { readonly minNrofImagesPerClass: number; readonly nrofTrainImagesPerClass: number } | undefined;
  readonly seed: number;
  readonly batch_size: number;
  readonly backend?: BackendName | undefined;
}

export interface ClassifySummary {
  readonly classCount: number;
  readonly imageCount: number;
  readonly failures: readonly string[];
  /** Of TRAIN: the file's text. */
  readonly classifier?: string | undefined;
  /** Of CLASSIFY, an image each. */
  readonly predictions?: readonly ClassPrediction[] | undefined;
  /** Of the images whose folder is one of the classifier's people; NaN without any. */
  readonly accuracy?: number | undefined;
  /** How often who was taken for whom, the most frequent mistake first. */
  readonly mistakes?:
    readonly { readonly actual: string; readonly predicted: string; readonly count: number }[] | undefined;
}

export interface ClassPrediction {
  readonly path: string;
  readonly actual: string;
  readonly predicted: string;
  readonly probability: number;
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
  /** What of a model file maps to a network, before it is taken. */
  inspectModel(model: Exclude<ModelReference, { kind: 'run' }>): Promise<ImportReport>;
  /** These three are cancelled with cancelEvaluation. */
  embedFolder(
    request: EmbedRequest,
    onProgress?: (progress: EvaluationProgress) => void,
  ): Promise<EmbedSummary>;
  compare(request: CompareRequest): Promise<CompareResult>;
  classify(
    request: ClassifyRequest,
    onProgress?: (progress: EvaluationProgress) => void,
  ): Promise<ClassifySummary>;
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
  /** @throws RunMissingError */
  setNotes(runId: string, notes: string): Promise<void>;
  rememberFolder(reference: DirectoryReference, role: RememberedFolder['role']): Promise<void>;
  listFolders(role?: RememberedFolder['role']): Promise<RememberedFolder[]>;
  forgetFolder(id: string): Promise<void>;
  /** Runs, checkpoints, remembered folders, private datasets: all of it. */
  deleteEverything(): Promise<void>;
  estimate(): Promise<{ usedBytes: number; quotaBytes: number }>;
}

// ---------------------------------------------------------------------------------------------------------------
// charts.worker: curves of runs

/** What is drawn of each step. */
export const SERIES_NAMES = [
  'crossEntropy',
  'accuracy',
  'totalLoss',
  'learningRate',
  'imagesPerSecond',
  /** Of the step's time, the share spent waiting for images: 0 … 1. */
  'dataWaitShare',
] as const;
export type SeriesName = (typeof SERIES_NAMES)[number];

export interface ChartRequest {
  /** Longer runs are drawn as this many stretches with the least and the greatest value of each. */
  readonly stretches: number;
  /** `guide`: the mean of 500 steps; `automatic`: that, or a twentieth of a shorter run. */
  readonly smoothing: 'automatic' | 'guide' | 'none';
  /** The first and last step to draw; default: all. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
}

/** Both as long as the chart's positions; null where there is no finite value. */
export interface SeriesCurve {
  readonly values: readonly (number | null)[];
  /** Undefined where nothing is smoothed. */
  readonly means: readonly (number | null)[] | undefined;
}

/** How a run stands; means over its newest 500 steps. */
export interface CourseState {
  readonly stepCount: number;
  /** The first step whose loss is no number. */
  readonly firstNotFinite: number | undefined;
  readonly recentCrossEntropy: number;
  readonly recentAccuracy: number;
  readonly recentDataWaitShare: number;
}

export interface RunChart {
  readonly stepCount: number;
  /** Steps in each mean. */
  readonly window: number;
  /** Steps. */
  readonly positions: readonly number[];
  readonly curves: Readonly<Record<SeriesName, SeriesCurve>>;
  /** Where epochs begin; not all of many. */
  readonly epochs: readonly { readonly step: number; readonly epoch: number }[];
  /** Where the learning rate falls, and to what. */
  readonly rateDrops: readonly { readonly step: number; readonly rate: number }[];
  readonly state: CourseState;
}

/** A run is known by its id; its batch size turns the time of a step into images a second. */
export interface ChartsWorkerApi {
  /** Reads what is stored of the run; returns its newest steps, at most 300. */
  open(runId: string, batchSize: number): Promise<{ stepCount: number; newest: StepRecord[] }>;
  append(runId: string, batchSize: number, records: readonly StepRecord[]): Promise<void>;
  /** Forgets the steps after `step`. */
  truncate(runId: string, batchSize: number, step: number): Promise<void>;
  chart(runId: string, batchSize: number, request: ChartRequest): Promise<RunChart>;
}
