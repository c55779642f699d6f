/**
 * The interface between jobs and an executor, which runs a network: the WebGPU engine or TensorFlow.js. A job that
 * needs embeddings requests an Embedder, and a training requests a Trainer. Both are made for one graph, one batch
 * size and one image size.
 */
import type { Graph } from './graph/ir.ts';
import type { NamedTensors } from '../protocol/tensor.ts';
import type { OptimizerName, Precision } from '../protocol/train/options.ts';
import type { StepMetrics } from '../protocol/train/runs.ts';

/** How each image of a batch is cut out of the stored pixels. */
export interface ImageTransforms {
  /** Top-left corner of the crop in the stored image, pixels; negative where the image is padded with black. [count] */
  readonly offsetX: Int32Array;
  readonly offsetY: Int32Array;
  /** 1: mirror left to right after the crop. [count] */
  readonly flip: Uint8Array;
  /** Counter-clockwise rotation about the stored image's centre before the crop; bicubic, black outside. [count] */
  readonly angleDegrees: Float32Array;
}

export interface ImageBatch {
  readonly count: number;
  /** Size of the stored images, pixels. Images smaller than the executor's image size are padded. */
  readonly height: number;
  readonly width: number;
  /** RGB, [count, height, width, 3] */
  readonly pixels: Uint8Array;
  readonly transforms: ImageTransforms;
}

export interface LabelledBatch extends ImageBatch {
  /** [count], each in 0 … classes − 1 */
  readonly labels: Int32Array;
}

/** The settings of a network that embeds. */
export interface EmbedderSettings {
  readonly graph: Graph;
  readonly batchSize: number;
  readonly imageSize: number;
  readonly useFixedImageStandardization: boolean;
  /**
   * The type in which activations and their gradients are stored, default float32. Parameters and losses are always
   * float32. float16 needs the engine, and an adapter with WebGPU's `shader-f16`.
   */
  readonly precision?: Precision | undefined;
  /**
   * Whether inference may fold the batch norms into the layers before them, default true. Exports are folded the same
   * way, so they are compared with an executor that does not fold.
   */
  readonly foldsBatchNorms?: boolean | undefined;
}

/** The settings of a network that trains; constant during a run. */
export interface TrainerSettings extends EmbedderSettings {
  readonly keepProbability: number;
  readonly weightDecay: number;
  readonly prelogitsNormLossFactor: number;
  readonly prelogitsNormP: number;
  readonly centerLossFactor: number;
  readonly centerLossAlfa: number;
  readonly optimizer: OptimizerName;
  readonly movingAverageDecay: number;
  /** The end of the last bin of the prelogits histogram, default 10. */
  readonly prelogitsHistMax?: number | undefined;
  /** The seed of the dropout masks. Element i in step t is a hash of (seed, t, i); see workers/common/random.ts. */
  readonly seed: number;
}

export type ExecutorSettings = EmbedderSettings | TrainerSettings;

/** Whether the settings are for training, with gradients, optimizer state and losses. */
export function canTrain(settings: ExecutorSettings): settings is TrainerSettings {
  return 'optimizer' in settings && settings.graph.classes > 0;
}

/** @throws Error if the settings are only for embedding */
export function trainerSettings(settings: ExecutorSettings): TrainerSettings {
  if ('optimizer' in settings) return settings;
  throw new Error('This network was made to embed images, not to train.');
}

export interface Embedder {
  /** l2-normalised embeddings with moving statistics, [count, embeddingSize]; count ≤ batchSize. */
  embed(batch: ImageBatch): Promise<Float32Array>;
  dispose(): void;
}

export interface Trainer extends Embedder {
  readonly settings: ExecutorSettings;
  /** One line for logs and for the page, e.g. `tfjs on WebGPU (nvidia, hopper)`. */
  readonly description: string;
  /**
   * How many calls of trainStep may be pending. Steps take effect in the order of the calls, and every other method
   * waits for them.
   */
  readonly stepsInFlight: number;
  /** GPU memory in use, bytes; undefined if unknown. */
  readonly bytes?: number | undefined;

  /**
   * One optimizer step with batch statistics.
   * @param step number of steps done before this one; the optimizer's t is step + 1
   */
  trainStep(batch: LabelledBatch, step: number, learningRate: number): Promise<StepMetrics>;

  /** Losses and accuracy as of trainStep, but with moving statistics and without dropout. Changes nothing. */
  evaluateBatch(batch: LabelledBatch): Promise<StepMetrics>;

  /** The histogram of |prelogits| in the steps since the last call; see prelogits_histogram.ts. [PRELOGITS_BINS] */
  takePrelogitsHistogram(): Promise<Float64Array>;

  /** The total loss's gradients in the last trainStep, including weight decay, by parameter name. For conformance. */
  readGradients(): Promise<NamedTensors>;

  /** Trainable parameters and moving statistics, by the graph's names. */
  readParameters(): Promise<NamedTensors>;
  /** Ignores names that are not in the graph, and throws for a wrong shape. Other parameters keep their values. */
  writeParameters(tensors: NamedTensors): Promise<void>;

  /**
   * All other state that the next step depends on: optimizer slots (`<parameter>/Adam`, `<parameter>/Adam_1`, …),
   * `<parameter>/ExponentialMovingAverage`, `centers`.
   */
  readState(): Promise<NamedTensors>;
  writeState(tensors: NamedTensors): Promise<void>;
}

export type TrainerFactory = (settings: TrainerSettings) => Promise<Trainer>;

/** @param parameters by the graph's names; names that are not in the graph are ignored */
export type EmbedderFactory = (settings: EmbedderSettings, parameters: NamedTensors) => Promise<Embedder>;

/** Makes a factory of embedders from a factory of executors. */
export function embeddersFrom(
  create: (settings: ExecutorSettings) => Promise<Embedder & Pick<Trainer, 'writeParameters'>>,
): EmbedderFactory {
  return async (settings, parameters) => {
    const executor = await create(settings);
    try {
      await executor.writeParameters(parameters);
    } catch (error) {
      executor.dispose();
      throw error;
    }
    return executor;
  };
}
