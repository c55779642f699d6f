/**
 * Every type that crosses a worker boundary. The page holds these types and the workers' comlink proxies, and nothing
 * else of what is below workers/.
 */
import type { ClassCount, DatasetTotals, ScanProgress } from './dataset/dataset_count.ts';
import type { DirectoryReference } from './dataset/directory.ts';
import type { DistanceHistogram } from './evaluation/histogram.ts';
import type { MeasuredPairs, ValidationRate } from './evaluation/metrics.ts';
import type { IdentityPairs, PhotoPairs } from './evaluation/near_duplicates.ts';
import type { PhotoFits } from './evaluation/outliers.ts';
import type { Precision, TrainingOptions } from './training/options.ts';

export type { ClassCount, DatasetTotals, ScanProgress } from './dataset/dataset_count.ts';
export type { DirectoryReference } from './dataset/directory.ts';
export type { DistanceHistogram } from './evaluation/histogram.ts';
export type { ValidationRate } from './evaluation/metrics.ts';
export type { IdentityPairs, NearPairs, PhotoPairs } from './evaluation/near_duplicates.ts';
export type { PhotoFits } from './evaluation/outliers.ts';
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
  readonly classes: readonly ClassCount[];
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
  /**
   * Reads names only, and keeps none but those of the classes.
   * @param id for cancelScan, which makes it reject
   * @throws NoImagesError
   */
  scan(
    references: DirectoryReference[],
    onProgress?: (progress: ScanProgress) => void,
    id?: string,
  ): Promise<DatasetSummary>;
  cancelScan(id: string): void;
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
  readonly options: Pick<AlignOptions, 'image_size' | 'margin'>;
}

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
  /** Cuts this face out of the photo in place of the one that is written. @throws FaceOutsideError */
  takeFace(decision: FaceDecision, face: DetectedFace): Promise<void>;
  /** Removes the photo's faces; later alignments into the folder do not align it. */
  setAside(output: DirectoryReference, path: string, outputPaths: readonly string[]): Promise<void>;
  /** The next alignment takes the photo again. */
  takeBack(output: DirectoryReference, path: string): Promise<void>;
  memory(): Promise<BackendMemory>;
}

/** What TensorFlow.js holds for the networks, bytes. */
export interface BackendMemory {
  readonly usedBytes: number;
  /** With what it keeps for later: WebGPU's buffers, or WebAssembly's memory. */
  readonly allocatedBytes: number;
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
  /** The best of its measured models; its checkpoint is kept beside the newest ones. */
  readonly best?: BestModel | undefined;
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
  /** √Σg², weight decay included; runs of older versions have none. */
  readonly gradientNorm?: number | undefined;
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
  /** Of all losses; not known of older runs. */
  readonly totalLoss?: number | undefined;
  readonly crossEntropy: number;
  readonly accuracy: number;
}

/** How the best model of a run was found: by the evaluation on pairs where there is one, else by the validation. */
export interface BestModel {
  readonly step: number;
  readonly epoch: number;
  readonly measuredBy: 'pairs' | 'validation';
  readonly accuracy: number;
  /** Of a validation: decides between equal accuracies. */
  readonly crossEntropy?: number | undefined;
}

/** How the |prelogits| of an epoch's steps were spread; see training/prelogits_histogram.ts. */
export interface PrelogitsHistogram {
  /** The epoch's last. */
  readonly step: number;
  readonly epoch: number;
  /** 1000 bins from 0 to prelogits_hist_max. */
  readonly counts: Uint32Array;
}

export interface EvaluationSummary extends Timed {
  readonly step: number;
  readonly epoch: number;
  readonly accuracy: number;
  readonly valRate: number;
}

export type TrainEvent =
  /** The dataset's folders are read; there is no run yet. */
  | ({ readonly kind: 'reading' } & DatasetTotals)
  | {
      readonly kind: 'started';
      readonly run: RunRecord;
      readonly device: DeviceInfo;
      readonly executor: string;
      readonly parameterCount: number;
      readonly stepsPerEpoch: number;
      /** GPU memory that the network holds; undefined where nobody knows. */
      readonly gpuBytes?: number | undefined;
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
  /** The newest measured model is the best so far. */
  | { readonly kind: 'best'; readonly best: BestModel }
  | { readonly kind: 'status'; readonly status: RunStatus; readonly message: string }
  | { readonly kind: 'warning'; readonly message: string };

export interface TrainSummary {
  readonly run: RunRecord;
  readonly lastStep?: StepRecord | undefined;
}

/** A model to evaluate, export or start from. */
export type ModelReference =
  | {
      readonly kind: 'run';
      readonly runId: string;
      /** Of which step's checkpoint, or of the best one's; default: the newest. */
      readonly step?: number | 'best' | undefined;
      /** Take the exponential moving averages of the parameters, where the run has them. */
      readonly useMovingAverages?: boolean | undefined;
    }
  /** A folder or a file that holds one of the formats this program reads. */
  | { readonly kind: 'directory'; readonly directory: DirectoryReference; readonly path?: string | undefined }
  | { readonly kind: 'file'; readonly file: File };

/** Which of the values that a run holds a model was made of. */
export interface RunWeights {
  readonly step: number;
  /** It was the best of the run's measured models then, by this. */
  readonly bestBy?: BestModel['measuredBy'] | undefined;
  readonly areMovingAverages: boolean;
}

/** Where the pairs of an evaluation come from. */
export interface PairsSource {
  readonly images: readonly DirectoryReference[];
  /** The text of a pairs file; without it pairs are generated from the class folders. */
  readonly pairsText?: string | undefined;
  /** The pairs file lies in one of the folders: pairs.txt, or the one whose name begins so. */
  readonly isPairsFileInside?: boolean | undefined;
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
  /** The false accept rate at which VAL is measured; default 0.001. */
  readonly far_target?: number | undefined;
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
  readonly valThresholdPerFold: readonly number[];
  readonly auc: number;
  readonly eer: number;
  /** The mean ROC over the folds: false and true accept rates by threshold. */
  readonly roc: { readonly falseAcceptRate: Float64Array; readonly trueAcceptRate: Float64Array };
  readonly pairCount: number;
  readonly skippedPairs: number;
  /** Why, e.g. `Tony_Blair 7: image not found`; the first few hundred causes. */
  readonly skippedCauses: readonly { readonly cause: string; readonly pairs: number }[];
  readonly imageCount: number;
  readonly durationMs: number;
  /** How the distances are spread. */
  readonly histogram: DistanceHistogram;
  /** What the model is most wrong about. */
  readonly wrong: {
    readonly falseAccepts: readonly WrongImagePair[];
    readonly falseRejects: readonly WrongImagePair[];
    readonly falseAcceptCount: number;
    readonly falseRejectCount: number;
  };
  /** Of the pairs that were measured: results with the same one are comparable. */
  readonly pairsChecksum: string;
  /** What else can be asked of the result is computed from this. */
  readonly measured: MeasuredPairs;
}

/** With what of a run was measured. */
export interface ModelEvaluationResult extends EvaluationResult {
  readonly weights?: RunWeights | undefined;
}

/** A pair on the wrong side of its fold's threshold. */
export interface WrongImagePair {
  /** Paths in the folders of the pairs. */
  readonly first: string;
  readonly second: string;
  readonly distance: number;
  readonly threshold: number;
  /** From 0. */
  readonly fold: number;
}

/** An evaluation as it is kept in this browser. */
export interface SavedEvaluation {
  readonly id: string;
  /** When it ended, milliseconds since 1970. */
  readonly at: number;
  /** The run or stored model it is kept and deleted with; none for models that are files. */
  readonly modelId?: string | undefined;
  /** The run's step. */
  readonly step?: number | undefined;
  /** What of the run was measured; not of older evaluations. */
  readonly weights?: RunWeights | undefined;
  /** For the person: the run, or the file's name. */
  readonly modelName: string;
  /** The folders' names. */
  readonly imagesName: string;
  /** The pairs file's name; undefined for pairs that were made from the folders. */
  readonly pairsFileName?: string | undefined;
  /** What a later visit can open again. */
  readonly images: readonly DirectoryReference[];
  readonly options: EvaluateRequest['options'];
  readonly result: EvaluationResult;
}

/** All of it but what only its own page shows. */
export interface EvaluationOverview extends Omit<SavedEvaluation, 'result'> {
  readonly result: Omit<EvaluationResult, 'measured' | 'wrong' | 'histogram' | 'skippedCauses'>;
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
  /** For the model card: under which licence the model may be used. */
  readonly license?: string | undefined;
  readonly output: AlignOutput;
}

export interface ExportProgress {
  readonly phase: 'loading' | 'writing' | 'verifying' | 'packing';
  /** Bytes; both 0 where a phase cannot say. */
  readonly done: number;
  readonly total: number;
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
  /** What the model expects; assumed, as the notes say, where the file does not tell. */
  readonly image_size: number;
  readonly use_fixed_image_standardization: boolean;
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

/** A model that was brought in and is kept in this browser. */
export interface StoredModel {
  readonly id: string;
  readonly name: string;
  readonly importedAt: number;
  readonly sizeBytes: number;
  readonly model_def: string;
  readonly embedding_size: number;
  readonly image_size: number;
  readonly use_fixed_image_standardization: boolean;
  /** What it came from. */
  readonly origin: Pick<ImportReport, 'file' | 'kind' | 'program' | 'foldedGammas' | 'notes'>;
  readonly reference: ModelReference;
}

export interface ExportSummary {
  readonly files: readonly { readonly path: string; readonly sizeBytes: number }[];
  /** Largest absolute difference of the embeddings between the model and its reloaded export, over test images. */
  readonly verifiedMaxAbsError: number;
  /** What of a run was exported. */
  readonly weights?: RunWeights | undefined;
  /** How the model is used: the card's example, in the language of the format's readers. */
  readonly snippet: string;
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

/** The original's calculate_filtering_metrics: what option filter_filename filters a dataset by. */
export interface DistanceTableRequest {
  readonly model: ModelReference;
  readonly images: readonly DirectoryReference[];
  readonly batch_size: number;
  readonly backend?: BackendName | undefined;
}

export interface DistanceTable {
  /** Lines `path distance class_index`. */
  readonly text: string;
  readonly classCount: number;
  readonly imageCount: number;
  /** Why images are left out. */
  readonly failures: readonly string[];
  /** The images farthest from the centre of their class, the farthest first. */
  readonly largest: readonly { readonly path: string; readonly distance: number }[];
}

/** The original's compare: photos as taken, aligned on the spot. */
export interface CompareRequest {
  readonly model: ModelReference;
  readonly images: readonly { readonly directory: DirectoryReference; readonly path: string }[];
  /** Around the face, pixels of the photo. */
  readonly margin: number;
  /** Of the aligned faces, pixels; default: the model's own. */
  readonly image_size?: number | undefined;
  /** Default: of several faces on a photo the main one. */
  readonly allFaces?: boolean | undefined;
  /** PNG files of the aligned faces come back. */
  readonly includeCrops?: boolean | undefined;
  readonly backend?: BackendName | undefined;
}

export interface CompareResult {
  /** A face each, in the order asked for; photos without one are left out. */
  readonly images: readonly {
    /** In the request. */
    readonly index: number;
    readonly path: string;
    /** From 1, of the photo's. */
    readonly face: number;
    readonly faceCount: number;
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
  /** Pixels; default: the model's own. */
  readonly image_size?: number | undefined;
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
  /** Of a model fixture's activations; default float32. float16 is held to bounds of its own. */
  readonly precision?: Precision | undefined;
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
  ): Promise<ModelEvaluationResult>;
  cancelEvaluation(): void;
  exportModel(
    request: ExportRequest,
    onProgress?: (progress: ExportProgress) => void,
  ): Promise<ExportSummary>;
  cancelExport(): void;
  /** Takes a model file into this browser's storage. @throws as loading it does */
  importModel(model: Exclude<ModelReference, { kind: 'run' }>): Promise<StoredModel>;
  /** What of a model file maps to a network, before it is taken. */
  inspectModel(model: Exclude<ModelReference, { kind: 'run' }>): Promise<ImportReport>;
  /** These four are cancelled with cancelEvaluation. */
  makeDistanceTable(
    request: DistanceTableRequest,
    onProgress?: (progress: EvaluationProgress) => void,
  ): Promise<DistanceTable>;
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

export interface CheckpointSummary {
  readonly step: number;
  readonly epoch: number;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly sizeBytes: number;
}

export interface LibraryWorkerApi {
  /** Newest first. A run whose worker is gone is shown as 'interrupted'. */
  listRuns(): Promise<RunRecord[]>;
  readSteps(runId: string): Promise<StepRecord[]>;
  readValidations(runId: string): Promise<ValidationRecord[]>;
  readEvaluations(runId: string): Promise<EvaluationSummary[]>;
  /** Newest first. */
  listCheckpoints(runId: string): Promise<CheckpointSummary[]>;
  /** A checkpoint's model as a file of this program's kind. @throws RunMissingError, NoCheckpointError */
  checkpointFile(
    runId: string,
    step: number,
    useMovingAverages?: boolean,
  ): Promise<{ readonly name: string; readonly file: Blob }>;
  /**
   * The files of a run's log folder, by path (`<run>/arguments.txt`, `<run>/stat.h5`, TensorBoard's events …), from
   * what is stored of it.
   * @throws RunMissingError
   */
  buildRunFiles(runId: string): Promise<ReadonlyMap<string, Blob>>;
  deleteRun(runId: string): Promise<void>;
  /** @throws RunMissingError */
  setNotes(runId: string, notes: string): Promise<void>;
  /** Newest first. */
  listModels(): Promise<StoredModel[]>;
  deleteModel(id: string): Promise<void>;
  saveEvaluation(evaluation: SavedEvaluation): Promise<void>;
  /** Newest first. */
  listEvaluations(): Promise<EvaluationOverview[]>;
  /** undefined where it has been deleted */
  readEvaluation(id: string): Promise<SavedEvaluation | undefined>;
  deleteEvaluation(id: string): Promise<void>;
  /** VAL at another false accept rate. */
  validationRate(id: string, farTarget: number): Promise<ValidationRate | undefined>;
  /** The result as files, by name: text as the original prints it, and JSON. */
  buildEvaluationFiles(id: string): Promise<ReadonlyMap<string, Blob>>;
  rememberFolder(reference: DirectoryReference, role: RememberedFolder['role']): Promise<void>;
  listFolders(role?: RememberedFolder['role']): Promise<RememberedFolder[]>;
  /** The folders with what was left out of them when they were last used so, unless they say so themselves. */
  recallLeftOut(
    references: readonly DirectoryReference[],
    role: RememberedFolder['role'],
  ): Promise<DirectoryReference[]>;
  forgetFolder(id: string): Promise<void>;
  /** People kept to be recognised, the newest first. */
  listGalleries(): Promise<KeptGallery[]>;
  deleteGallery(id: string): Promise<void>;
  /** Runs, checkpoints, remembered folders, private datasets: all of it. */
  deleteEverything(): Promise<void>;
  estimate(): Promise<{ usedBytes: number; quotaBytes: number }>;
}

// ---------------------------------------------------------------------------------------------------------------
// identify.worker: faces on photos as taken, compared and named. Embeddings stay in the worker: the page knows faces by
// their ids.

export interface OpenModelRequest {
  readonly model: ModelReference;
  /** The same key means the same model: it is not loaded again. */
  readonly key: string;
  readonly backend?: BackendName | undefined;
}

export interface OpenedModel {
  readonly name: string;
  /** Of the network's values: embeddings of models with other fingerprints cannot be compared. */
  readonly fingerprint: string;
  readonly embeddingSize: number;
  /** Pixels. */
  readonly imageSize: number;
}

export type FacePhotos =
  | { readonly kind: 'files'; readonly files: readonly File[] }
  /** One subfolder a person. */
  | { readonly kind: 'folders'; readonly folders: readonly DirectoryReference[] };

export interface FindFacesRequest {
  readonly photos: FacePhotos;
  /** The photos are aligned faces, as alignment writes them: nothing is searched, their centre is taken. */
  readonly areAligned: boolean;
  /** Of several faces on a photo: the one that alignment keeps, or all of them. */
  readonly faces: 'main' | 'all';
  /** Around the face, pixels of the photo, both sides together. */
  readonly margin: number;
}

export interface FoundFace {
  readonly id: number;
  /** The photo's name, or its path below its folder. */
  readonly photo: string;
  /** Its place in `files`; in the order of people and names for folders. */
  readonly photoIndex: number;
  /** The photo's folder; empty for files. */
  readonly person: string;
  /** From 1, and how many the photo has. */
  readonly number: number;
  readonly faceCount: number;
  /** What the network sees of it, small. */
  readonly picture: Blob;
}

export interface FaceFailure {
  readonly photo: string;
  readonly photoIndex: number;
  /** One sentence for the person. */
  readonly message: string;
}

export type FindFacesEvent =
  | { readonly kind: 'faces'; readonly faces: readonly FoundFace[] }
  | { readonly kind: 'failures'; readonly failures: readonly FaceFailure[] }
  | { readonly kind: 'progress'; readonly done: number; readonly total: number };

/** Who is enrolled: a name, and the ids of the faces. */
export interface EnrolledPerson {
  readonly name: string;
  readonly faces: readonly number[];
}

export interface RecognitionSettings {
  /** The k nearest faces vote, or the linear support vector machine of the original's classifier. */
  readonly method: 'nearest' | 'svm';
  readonly k: number;
  /** How often a stranger may be taken for one of the people; the threshold follows. */
  readonly falseAcceptRate: number;
  /** Euclidean; used in place of the one that follows from the rate. */
  readonly threshold?: number | undefined;
  readonly seed: number;
}

/** Shares of 0 … 1; NaN where there is nothing to measure them on. */
export interface RecognitionRates {
  /** Euclidean distance. */
  readonly threshold: number;
  readonly falseAcceptRate: number;
  readonly falseRejectRate: number;
}

export interface Recognition {
  /** What is used: Euclidean; a face is somebody's when it is closer than this. */
  readonly threshold: number;
  readonly atThreshold: RecognitionRates;
  /** Along the thresholds, for a chart. */
  readonly curve: readonly RecognitionRates[];
  /** For some false accept rates, the strictest first. */
  readonly table: readonly (RecognitionRates & { readonly target: number })[];
  /** On how many faces the rates were measured. */
  readonly acceptFaces: number;
  readonly rejectFaces: number;
}

export interface IdentifiedFace {
  readonly id: number;
  /** Undefined: nobody that is known. */
  readonly person: string | undefined;
  /** Euclidean, to the nearest face of the person; of the nearest of all for nobody. */
  readonly distance: number;
  /** Of the support vector machine, for its choice. */
  readonly probability?: number | undefined;
  /** The nearest enrolled faces, the nearest first. */
  readonly nearest: readonly { readonly id: number; readonly person: string; readonly distance: number }[];
}

/** A face on a picture of the camera, in its pixels. */
export interface FrameFace {
  readonly box: DetectedFace['box'];
  readonly person: string | undefined;
  readonly distance: number;
}

export interface RecognitionTestRequest {
  readonly people: readonly EnrolledPerson[];
  readonly settings: RecognitionSettings;
  /** As the original's classifier: so many faces of each person are learned from, the others are named. */
  readonly nrofTrainImagesPerClass: number;
  /** People with fewer are left out of the learning: their faces are those of strangers. */
  readonly minNrofImagesPerClass: number;
}

export interface RecognitionTest {
  readonly threshold: number;
  /** People and faces that were learned from, and faces that were named. */
  readonly people: number;
  readonly trainFaces: number;
  readonly testFaces: number;
  readonly right: number;
  /** Taken for somebody else. */
  readonly wrong: number;
  /** Of somebody who is known, and taken for nobody. */
  readonly unknown: number;
  /** Faces of people who were left out, and how many of them were taken for somebody. */
  readonly strangers: number;
  readonly strangersAccepted: number;
  /** right / testFaces; NaN without any */
  readonly accuracy: number;
  /** A row and a column a person, in this order; the last column is nobody, the last row strangers. */
  readonly names: readonly string[];
  readonly confusion: readonly (readonly number[])[];
  /** The worst first: the closest to the wrong person. */
  readonly mistakes: readonly {
    readonly id: number;
    readonly actual: string;
    readonly predicted: string | undefined;
    readonly distance: number;
  }[];
}

/** People that are kept in this browser. */
export interface KeptGallery {
  readonly id: string;
  readonly keptAt: number;
  readonly people: number;
  readonly faces: number;
  readonly modelName: string;
  readonly fingerprint: string;
  readonly sizeBytes: number;
}

export interface OpenedGallery {
  readonly modelName: string;
  readonly fingerprint: string;
  readonly faces: readonly FoundFace[];
}

export interface IdentifyWorkerApi {
  /** @throws the errors of loading a model */
  openModel(request: OpenModelRequest): Promise<OpenedModel>;
  /** Frees what the model and the detector take; found faces are kept. */
  closeModel(): Promise<void>;
  /** With the model that is open. @throws NoImagesError, EvaluationCancelledError, PermissionLostError */
  findFaces(request: FindFacesRequest, onEvent: (event: FindFacesEvent) => void): Promise<void>;
  forgetFaces(ids: readonly number[]): void;
  /** Euclidean, [faces, faces]. @throws OtherModelError */
  distances(ids: readonly number[]): Float64Array;
  /** Who may be recognised from now on, and how. @throws OtherModelError, TooFewClassesError */
  learn(
    people: readonly EnrolledPerson[],
    settings: RecognitionSettings,
    onProgress?: (done: number, total: number) => void,
  ): Promise<Recognition>;
  /** By what was learned. */
  identify(ids: readonly number[]): IdentifiedFace[];
  /** The frame is used up; nothing of it is kept. */
  identifyFrame(frame: ImageBitmap, margin: number): Promise<FrameFace[]>;
  /** Learns from a part and names the rest; what was learned before stays. @throws TooFewClassesError */
  test(
    request: RecognitionTestRequest,
    onProgress?: (done: number, total: number) => void,
  ): Promise<RecognitionTest>;
  /** A file for `facenet classify CLASSIFY`. @throws TooFewClassesError */
  buildClassifier(people: readonly EnrolledPerson[], seed: number): Promise<Blob>;
  buildGallery(people: readonly EnrolledPerson[], withPictures: boolean): Promise<Blob>;
  /** @throws GalleryFileError */
  openGallery(file: Blob): Promise<OpenedGallery>;
  keepGallery(people: readonly EnrolledPerson[], withPictures: boolean): Promise<KeptGallery>;
  /** @throws GalleryFileError */
  openKeptGallery(id: string): Promise<OpenedGallery>;
  /** Ends what findFaces, learn or test is doing. */
  cancel(): void;
}

// ---------------------------------------------------------------------------------------------------------------
// look.worker: a dataset as a model sees it. One such worker embeds and ends, another holds the embeddings.

export interface LookRequest {
  readonly model: ModelReference;
  readonly data: readonly DirectoryReference[];
  readonly batch_size: number;
  readonly backend?: BackendName | undefined;
}

/** A dataset's photos, those that could be read, with their embeddings. */
export interface EmbeddedPhotos {
  readonly classNames: readonly string[];
  /** `<class>/<file>` of each, with NUL between them. */
  readonly paths: string;
  /** The place of each photo's folder in the request's data. */
  readonly folders: Uint16Array<ArrayBuffer>;
  /** The place of each photo's class in classNames. */
  readonly labels: Uint32Array<ArrayBuffer>;
  /** l2-normalised, [photos, dimension] */
  readonly embeddings: Float32Array<ArrayBuffer>;
  readonly dimension: number;
  /** Why the others could not be read. */
  readonly failures: readonly string[];
}

export interface PhotoMap {
  /** x and y of each photo. [photos, 2] */
  readonly positions: Float32Array<ArrayBuffer>;
  /** Of all differences between the photos, what the two axes show: 0 … 1. */
  readonly shares: readonly [number, number];
}

/** Photos are known by their places, classes by their labels. */
export interface LookFindings {
  readonly fits: PhotoFits;
  /** Likely mislabelled, the most suspicious first; none that is left out. */
  readonly suspects: Uint32Array;
  readonly identities: IdentityPairs;
  readonly copies: PhotoPairs;
}

/** What the terminal shows. */
export interface LookReport {
  readonly classCount: number;
  readonly imageCount: number;
  readonly failures: readonly string[];
  /** Distances to the class centre, as filter_filename takes them. */
  readonly table: string;
  /** Undefined where there are too many photos to look at at once. */
  readonly findings?:
    | {
        readonly suspects: readonly {
          readonly path: string;
          readonly distance: number;
          /** Undefined in a dataset of one class. */
          readonly looksLike?: string | undefined;
          readonly otherDistance?: number | undefined;
        }[];
        readonly identities: readonly {
          readonly first: string;
          readonly second: string;
          readonly distance: number;
        }[];
        readonly copies: readonly {
          readonly first: string;
          readonly second: string;
          readonly distance: number;
        }[];
      }
    | undefined;
}

export interface LookWorkerApi {
  embed(request: LookRequest, onProgress?: (progress: EvaluationProgress) => void): Promise<EmbeddedPhotos>;
  /** Takes the embeddings over; all that follows is about them. */
  hold(photos: EmbeddedPhotos): Promise<void>;
  /** By the two principal components. `isLeftOut` has a 1 for each photo that is not to count. */
  map(isLeftOut: Uint8Array, onShare?: (share: number) => void): Promise<PhotoMap>;
  /** By neighbourhood (UMAP): [photos, 2]. `onProgress` gets the share that is done, and now and then the positions. */
  mapByNeighbours(
    onProgress?: (share: number, positions?: Float32Array) => void,
  ): Promise<Float32Array<ArrayBuffer>>;
  inspect(isLeftOut: Uint8Array, onShare?: (share: number) => void): Promise<LookFindings>;
  /** For filter_filename, of the newest inspection: photos that are left out are not in it. */
  buildFilterTable(): Promise<Blob>;
  report(request: LookRequest, onProgress?: (progress: EvaluationProgress) => void): Promise<LookReport>;
  cancel(): void;
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
  /** Reads what was stored since, for a run that another tab trains. @returns the newest of those steps, at most 300 */
  follow(runId: string, batchSize: number): Promise<StepRecord[]>;
  /** Forgets the steps after `step`. */
  truncate(runId: string, batchSize: number, step: number): Promise<void>;
  chart(runId: string, batchSize: number, request: ChartRequest): Promise<RunChart>;
}
