/** Evaluations on pairs of photos, and how they are kept. */
import type { DirectoryReference } from '../data/directories.ts';
import type { BackendName } from '../device.ts';
import type { ModelReference, RunWeights } from '../models/models.ts';
import type { PairsSource } from './pairs.ts';
import type { SkippedFiles } from '../data/skipped_files.ts';

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
  /** For comparing two faces, without mirrored copies and without a mean; evaluations of earlier versions have none. */
  readonly plain?: PlainThreshold | undefined;
  readonly pairCount: number;
  readonly skippedPairs: number;
  /** Why, e.g. `Tony_Blair 7: image not found`; the first few hundred causes. */
  readonly skippedCauses: readonly { readonly cause: string; readonly pairs: number }[];
  /** Files of the folders that are not used, by reason; evaluations of earlier versions have none. */
  readonly skippedFiles?: readonly SkippedFiles[] | undefined;
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
  readonly result: Omit<
    EvaluationResult,
    'measured' | 'wrong' | 'histogram' | 'skippedCauses' | 'skippedFiles'
  >;
}

export interface EvaluationProgress {
  readonly done: number;
  readonly total: number;
  readonly imagesPerSecond: number;
}

/** What a measurement leaves: enough to measure VAL at another FAR, and to see each pair. */
export interface MeasuredPairs {
  /** Of each pair, with the mean of the other folds where the mean is subtracted. [pairs] */
  readonly distances: Float64Array;
  /** 1 for two photos of one person. [pairs] */
  readonly same: Uint8Array;
  /**
   * Of the pairs of two people outside of each fold: how many each threshold of VAL_THRESHOLDS accepts.
   * [folds, thresholds]
   */
  readonly falseAcceptsOutside: Int32Array;
  /** How many there are outside of each fold. [folds] */
  readonly differentOutside: Int32Array;
}

/** The validation rate at a false accept rate. NaN where there are no pairs of a kind. */
export interface ValidationRate {
  readonly val: number;
  readonly valStd: number;
  readonly far: number;
  readonly farTarget: number;
  readonly valThresholdPerFold: number[];
}

export interface PlainThreshold {
  /** Euclidean, 0 … 2. A smaller distance counts as one person's. */
  readonly threshold: number;
  /** The share of the pairs that are judged rightly, each fold with the threshold that suits the others best. */
  readonly accuracy: number;
}

export interface DistanceHistogram {
  /** Where the first bin begins. */
  readonly start: number;
  readonly binWidth: number;
  /** Number of pairs by bin; bin i holds start + i·binWidth ≤ distance < start + (i + 1)·binWidth. */
  readonly same: readonly number[];
  readonly different: readonly number[];
}
