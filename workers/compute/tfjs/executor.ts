/**
 * Runs the network with TensorFlow.js. It is the independent oracle for the engine's tests, and trains where the
 * engine cannot run, mainly on WebAssembly. Parameters and optimizer state are float32 arrays on the host. The device
 * gets new copies after each step.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import { foldBatchNorms } from '../graph/fold_batch_norm.ts';
import type { Graph, ParameterSpec } from '../graph/ir.ts';
import { elementCount } from '../../protocol/tensor.ts';
import { type HostTensor, type NamedTensors } from '../../protocol/tensor.ts';
import { prepareImages } from '../step/augmentation.ts';
import { dropoutMask } from '../step/dropout.ts';
import {
  trainerSettings,
  type ExecutorSettings,
  type ImageBatch,
  type LabelledBatch,
  type Trainer,
} from '../executor.ts';
import type { StepMetrics } from '../../protocol/train/runs.ts';
import { HostParameters } from '../step/host_parameters.ts';
import { countPrelogits, DEFAULT_PRELOGITS_MAXIMUM } from '../step/prelogits_histogram.ts';
import { PRELOGITS_BINS } from '../../protocol/train/runs.ts';
import { centerLoss, prelogitsNorm, softmaxCrossEntropy, updateCenters } from '../step/losses.ts';
import { gradientNorm } from '../step/optimizers.ts';
import { ComposedOperations } from './composed_operations.ts';
import { InferencePass } from './inference_pass.ts';
import { requireWasmFit } from './memory.ts';
import type { Operations } from './operations.ts';
import { TrainingPasses, type ForwardResult } from './training_passes.ts';
import { WasmOperations } from './wasm_operations.ts';

const CENTERS = 'centers';

export class TfjsExecutor implements Trainer {
  readonly settings: ExecutorSettings;
  readonly description: string;
  readonly stepsInFlight = 1;
  readonly #graph: Graph;
  readonly #host: HostParameters;
  readonly #centers: Float32Array;
  readonly #prelogitsCounts = new Float64Array(PRELOGITS_BINS);
  readonly #device = new Map<string, Tensor>();
  readonly #operations: Operations;
  readonly #training: TrainingPasses;
  /** The inference pass with the current parameters, made at the first inference. Its nodes may have other names. */
  #inference: { readonly pass: InferencePass; readonly outputs: Graph['outputs'] } | undefined;
  readonly #gradients = new Map<string, Float32Array>();

  /** Runs on the current backend of TensorFlow.js. @throws WasmMemoryError before anything is allocated */
  constructor(settings: ExecutorSettings, description: string, operations: Operations = defaultOperations()) {
    if (tf.getBackend() === 'wasm') requireWasmFit(settings);
    this.settings = settings;
    this.description = description;
    this.#graph = settings.graph;
    this.#host = new HostParameters(settings);
    this.#centers = new Float32Array(settings.graph.classes * settings.graph.embeddingSize);
    this.#operations = operations;
    this.#training = new TrainingPasses(settings.graph, operations, (name) => this.#deviceParameter(name));
  }

  async trainStep(batch: LabelledBatch, step: number, learningRate: number): Promise<StepMetrics> {
    const settings = trainerSettings(this.settings);
    const { prelogits: prelogitsNode, logits: logitsNode } = this.#graph.outputs;
    if (logitsNode === undefined) throw new Error('A graph without classes cannot be trained.');
    const image = this.#imageTensor(batch);
    const forward = this.#training.forward(image, (_node, shape) =>
      settings.keepProbability < 1
        ? dropoutMask(settings.seed, step, elementCount(shape), settings.keepProbability)
        : undefined,
    );
    image.dispose();

    const prelogitsTensor = forward.outputs.get(prelogitsNode)!;
    const logitsTensor = forward.outputs.get(logitsNode)!;
    const prelogits = (await prelogitsTensor.data()) as Float32Array;
    const logits = (await logitsTensor.data()) as Float32Array;
    const logitsGradient = new Float32Array(logits.length);
    const prelogitsGradient = new Float32Array(prelogits.length);
    const { crossEntropy, accuracy } = softmaxCrossEntropy(
      logits,
      batch.labels,
      this.#graph.classes,
      logitsGradient,
    );
    const norm = prelogitsNorm(
      prelogits,
      batch.count,
      settings.prelogitsNormP,
      settings.prelogitsNormLossFactor,
      prelogitsGradient,
    );
    const center = centerLoss(
      prelogits,
      batch.labels,
      this.#centers,
      settings.centerLossFactor,
      prelogitsGradient,
    );
    const regularization = this.#host.regularization();

    await this.#updateMovingStatistics(forward);
    // Gradients are read after the whole pass has been queued, so that nothing waits for the GPU in between.
    const pending: Promise<void>[] = [];
    this.#gradients.clear();
    this.#training.backward(
      forward,
      new Map([
        [logitsNode, tf.tensor(logitsGradient, logitsTensor.shape)],
        [prelogitsNode, tf.tensor(prelogitsGradient, prelogitsTensor.shape)],
      ]),
      (name, gradient) => {
        const kept = tf.clone(gradient);
        pending.push(
          kept.data<'float32'>().then((data) => {
            this.#gradients.set(name, data as Float32Array);
            kept.dispose();
          }),
        );
      },
    );
    await Promise.all(pending);

    this.#host.step(this.#gradients, step, learningRate);
    // As in the original, centres follow the prelogits even if the factor of their loss is 0.
    updateCenters(this.#centers, prelogits, batch.labels, settings.centerLossAlfa);
    countPrelogits(this.#prelogitsCounts, prelogits, settings.prelogitsHistMax ?? DEFAULT_PRELOGITS_MAXIMUM);
    this.#disposeDevice();
    return {
      ...this.#stepMetrics(crossEntropy, accuracy, regularization, norm, center),
      gradientNorm: gradientNorm(this.#gradients.values()),
    };
  }

  async evaluateBatch(batch: LabelledBatch): Promise<StepMetrics> {
    if (this.#graph.outputs.logits === undefined) throw new Error('A graph without classes has no accuracy.');
    const [logits, prelogits] = await this.#infer(batch, ['logits', 'prelogits']);
    const settings = trainerSettings(this.settings);
    const { crossEntropy, accuracy } = softmaxCrossEntropy(logits!, batch.labels, this.#graph.classes);
    const norm = prelogitsNorm(
      prelogits!,
      batch.count,
      settings.prelogitsNormP,
      settings.prelogitsNormLossFactor,
    );
    const center = centerLoss(prelogits!, batch.labels, this.#centers, settings.centerLossFactor);
    return this.#stepMetrics(crossEntropy, accuracy, this.#host.regularization(), norm, center);
  }

  #stepMetrics(
    crossEntropy: number,
    accuracy: number,
    regularization: number,
    norm: number,
    center: number,
  ): StepMetrics {
    const { prelogitsNormLossFactor, centerLossFactor } = trainerSettings(this.settings);
    return {
      totalLoss: crossEntropy + regularization + prelogitsNormLossFactor * norm + centerLossFactor * center,
      crossEntropy,
      regularization,
      prelogitsNorm: norm,
      centerLoss: center,
      accuracy,
    };
  }

  async takePrelogitsHistogram(): Promise<Float64Array> {
    const counts = this.#prelogitsCounts.slice();
    this.#prelogitsCounts.fill(0);
    return counts;
  }

  async embed(batch: ImageBatch): Promise<Float32Array> {
    return (await this.#infer(batch, ['embeddings']))[0]!;
  }

  async readGradients(): Promise<NamedTensors> {
    const tensors = new Map<string, HostTensor>();
    for (const { name, shape } of this.#graph.parameters) {
      const data = this.#gradients.get(name);
      if (data) tensors.set(name, { shape, data });
    }
    return tensors;
  }

  async readParameters(): Promise<NamedTensors> {
    return this.#host.readParameters();
  }

  async writeParameters(tensors: NamedTensors): Promise<void> {
    this.#host.writeParameters(tensors);
    this.#disposeDevice();
  }

  async readState(): Promise<NamedTensors> {
    const state = this.#host.readState();
    if (this.#graph.classes > 0)
      state.set(CENTERS, {
        shape: [this.#graph.classes, this.#graph.embeddingSize],
        data: this.#centers.slice(),
      });
    return state;
  }

  async writeState(tensors: NamedTensors): Promise<void> {
    this.#host.writeState(tensors);
    const centers = tensors.get(CENTERS);
    if (centers?.data.length === this.#centers.length) this.#centers.set(centers.data);
  }

  dispose(): void {
    this.#disposeDevice();
    this.#gradients.clear();
  }

  #imageTensor(batch: ImageBatch): Tensor4D {
    const { imageSize, useFixedImageStandardization } = this.settings;
    const values = prepareImages(batch, imageSize, useFixedImageStandardization);
    return tf.tensor4d(values, [batch.count, imageSize, imageSize, 3]);
  }

  async #infer(batch: ImageBatch, wanted: readonly (keyof Graph['outputs'])[]): Promise<Float32Array[]> {
    const { pass, outputs } = (this.#inference ??= this.#makeInference());
    const image = this.#imageTensor(batch);
    const tensors = pass.run(
      image,
      wanted.map((name) => outputs[name]!),
    );
    image.dispose();
    const values = await Promise.all(tensors.map((tensor) => tensor.data<'float32'>()));
    tf.dispose(tensors);
    return values as Float32Array[];
  }

  #makeInference(): { pass: InferencePass; outputs: Graph['outputs'] } {
    const parameters = this.#host.readParameters();
    const model =
      this.settings.foldsBatchNorms === false
        ? { graph: this.#graph, parameters }
        : foldBatchNorms(this.#graph, parameters);
    const pass = new InferencePass(model.graph, model.parameters, this.#operations);
    return { pass, outputs: model.graph.outputs };
  }

  async #updateMovingStatistics(forward: ForwardResult): Promise<void> {
    for (const node of this.#graph.nodes) {
      if (node.kind !== 'batch_norm') continue;
      const { mean, variance } = forward.statistics.get(node.name)!;
      const [meanValues, varianceValues] = await Promise.all([mean.data(), variance.data()]);
      const rows = forward.outputs.get(node.name)!.size / mean.size;
      const unbiased = rows > 1 ? rows / (rows - 1) : 1;
      moveTowards(this.#host.values(node.movingMean), meanValues as Float32Array, 1, node.decay);
      moveTowards(
        this.#host.values(node.movingVariance),
        varianceValues as Float32Array,
        unbiased,
        node.decay,
      );
    }
  }

  #deviceParameter(name: string): Tensor {
    let tensor = this.#device.get(name);
    if (!tensor) {
      const spec = this.#graph.parameters.find((candidate) => candidate.name === name) as ParameterSpec;
      // Kept beyond any open tidy, because it lives until the next step.
      tensor = tf.keep(tf.tensor(this.#host.values(name).slice(), [...spec.shape], 'float32'));
      this.#device.set(name, tensor);
    }
    return tensor;
  }

  #disposeDevice(): void {
    for (const tensor of this.#device.values()) tensor.dispose();
    this.#device.clear();
    this.#inference?.pass.dispose();
    this.#inference = undefined;
  }
}

function defaultOperations(): Operations {
  return tf.getBackend() === 'wasm' ? new WasmOperations() : new ComposedOperations();
}

/** moving ← decay·moving + (1 − decay)·factor·batch */
function moveTowards(moving: Float32Array, batch: Float32Array, factor: number, decay: number): void {
  for (let i = 0; i < moving.length; i++) moving[i] = decay * moving[i]! + (1 - decay) * factor * batch[i]!;
}
