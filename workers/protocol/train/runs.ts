/** What is stored of a training run. */
import type { DirectoryReference } from '../data/directories.ts';
import type { TrainingOptions } from './options.ts';
import type { PairsSource } from '../evaluate/pairs.ts';

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
  /** How its faces were cut out of photos, where they say it. */
  readonly faceCrops?: FaceCrops | undefined;
  /** What the dataset was when the run last began or went on; older runs have none. */
  readonly dataset?: DatasetFingerprint | undefined;
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

/** As the alignment made them. */
export interface FaceCrops {
  /** Pixels. */
  readonly image_size: number;
  /** Pixels of the photo, on both sides together. */
  readonly margin: number;
}

/** Enough of a dataset's listing to tell what has changed in it: of a small one every photo, of a large one every class. */
export type DatasetFingerprint =
  | { readonly kind: 'photos'; readonly photos: readonly PhotoFingerprint[] }
  | {
      readonly kind: 'classes';
      /** The first photos of each class, by name, whose sizes count. */
      readonly sizedPerClass: number;
      readonly classes: readonly ClassFingerprint[];
    };

export interface PhotoFingerprint {
  /** `<class>/<file>` */
  readonly path: string;
  /** -1 where it could not be asked for. */
  readonly sizeBytes: number;
}

export interface ClassFingerprint {
  readonly name: string;
  readonly imageCount: number;
  /** CRC-32 of the photos' paths. */
  readonly names: number;
  /** CRC-32 of the sizes of its first photos. */
  readonly sizes: number;
}

/** One step, as charts and logs need it. */
export interface StepRecord extends StepMetrics {
  /** Steps done, this one included. */
  readonly step: number;
  /** From 1. */
  readonly epoch: number;
  /** Batch in the epoch, from 1. */
  readonly batch: number;
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
  /** 1000 bins from 0 to prelogits_hist_max; older runs kept 32 bits of each. */
  readonly counts: Float64Array | Uint32Array;
}

export interface EvaluationSummary extends Timed {
  readonly step: number;
  readonly epoch: number;
  readonly accuracy: number;
  readonly valRate: number;
}

export interface CheckpointSummary {
  readonly step: number;
  readonly epoch: number;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly sizeBytes: number;
}

export interface StepMetrics {
  readonly totalLoss: number;
  readonly crossEntropy: number;
  readonly regularization: number;
  /** mean over the batch of ‖ |prelogits| + 1e−4 ‖_p, before its factor */
  readonly prelogitsNorm: number;
  /** before its factor */
  readonly centerLoss: number;
  /** share of the batch whose largest logit is the label's */
  readonly accuracy: number;
  /** √Σg² over all trained parameters, weight decay included; of training steps only, and not of older runs' */
  readonly gradientNorm?: number | undefined;
}

export const PRELOGITS_BINS = 1000;
