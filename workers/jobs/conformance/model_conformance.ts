/**
 * Holds an executor against a model fixture: the same hash-defined parameters and pixels, then embeddings with moving
 * statistics, and one training step's losses, gradients, updated parameters and moving statistics, each compared with
 * digests that an independent float64 implementation computed.
 */
import {
  digestTensor,
  hashedParameters,
  hashedPixels,
  type TensorDigest,
} from '../../compute/graph/hashed_tensors.ts';
import type { Graph } from '../../compute/graph/ir.ts';
import { buildModel } from '../../compute/graph/models/index.ts';
import type { NamedTensors } from '../../protocol/tensor.ts';
import type { ConformanceReport } from '../../protocol/train/conformance.ts';
import { centredTransforms } from '../../compute/step/augmentation.ts';
import type { TrainerFactory, LabelledBatch } from '../../compute/executor.ts';
import { OPTIMIZERS, type OptimizerName, type Precision } from '../../protocol/train/options.ts';
import { makeReport, NotAFixtureError, quantile } from './report.ts';

export interface ModelFixture {
  readonly model: string;
  readonly seed: number;
  readonly image_size: number;
  readonly batch_size: number;
  readonly embedding_size: number;
  readonly classes: number;
  readonly labels: readonly number[];
  readonly weight_decay: number;
  readonly prelogits_norm_loss_factor: number;
  readonly prelogits_norm_p: number;
  readonly keep_probability: number;
  readonly optimizer: OptimizerName;
  readonly learning_rate: number;
  readonly pixels: { readonly sum: number; readonly first: readonly number[] };
  readonly parameters: Readonly<
    Record<string, TensorDigest & { readonly shape: readonly number[]; readonly trainable: boolean }>
  >;
  readonly eval: { readonly embeddings: readonly (readonly number[])[] };
  readonly train: {
    readonly cross_entropy: number;
    readonly regularization: number;
    readonly prelogits_norm: number;
    readonly total_loss: number;
    readonly gradients: Readonly<Record<string, TensorDigest>>;
    readonly after_one_step: Readonly<Record<string, TensorDigest>>;
    /** By layer: the parameter without `/BatchNorm/moving_mean`. */
    readonly moving_mean: Readonly<Record<string, TensorDigest>>;
    readonly moving_variance: Readonly<Record<string, TensorDigest>>;
  };
}

/** What float32 can be held to against float64; see the fixture's own note on float32 implementations. */
export const MODEL_BOUNDS = {
  parameter_mismatches: 0,
  embeddings_max_abs: 1e-5,
  loss_rel: 1e-5,
  gradient_median: 2e-3,
  gradient_p95: 1e-2,
  step_median: 1e-5,
  moving_max: 1e-4,
} as const;

/**
 * What float16 storage of the activations can be held to. Each value is rounded to 11 bits: relative errors of 3e−4 on
 * the root of the mean square, some 20 of them one after the other along the residual blocks, so 1.2e−3 of an embedding
 * (entries of 0.04) and half its square, 7e−7, of its cosine distance. Measured on the fixture: 1.7e−4 and 4.5e−7.
 * Gradients have a median error of 7 % there. Storing the gradients themselves adds only 0.1 %, the rest comes with the
 * activations: presumably ReLUs whose input lies so near 0 that rounding changes its sign, and with it the gradient behind
 * it altogether. A wrong gradient has an error of 1. The bounds were set after measuring, at 2 to 22 times the fixture's
 * figures, and batches of 4 at 80 pixels exceed them; see docs/experiments/half-precision.md.
 */
export const FLOAT16_MODEL_BOUNDS = {
  parameter_mismatches: 0,
  embeddings_max_abs: 1e-3,
  embeddings_cosine_distance: 1e-5,
  loss_rel: 1e-2,
  gradient_median: 0.2,
  gradient_p95: 0.5,
  step_median: 5e-3,
  moving_max: 1e-3,
} as const;

export function isModelFixture(value: unknown): value is ModelFixture {
  const fixture = value as Partial<ModelFixture> | null;
  return (
    typeof fixture === 'object' &&
    fixture !== null &&
    typeof fixture.model === 'string' &&
    typeof fixture.parameters === 'object' &&
    typeof fixture.train === 'object' &&
    typeof fixture.eval === 'object' &&
    OPTIMIZERS.includes(fixture.optimizer as OptimizerName)
  );
}

/**
 * @param createTrainer makes the executor under test
 * @param precision it is to store activations with, and to be held to
 */
export async function runModelConformance(
  fixture: ModelFixture,
  createTrainer: TrainerFactory,
  onMessage: (message: string) => void = () => undefined,
  precision: Precision = 'float32',
): Promise<ConformanceReport> {
  const graph = buildModel(fixture.model, {
    embeddingSize: fixture.embedding_size,
    classes: fixture.classes,
  });
  const batch = fixtureBatch(fixture);
  const mismatches = countParameterMismatches(graph, fixture);
  const executor = await createTrainer({
    graph,
    batchSize: fixture.batch_size,
    imageSize: fixture.image_size,
    useFixedImageStandardization: true,
    keepProbability: fixture.keep_probability,
    weightDecay: fixture.weight_decay,
    prelogitsNormLossFactor: fixture.prelogits_norm_loss_factor,
    prelogitsNormP: fixture.prelogits_norm_p,
    centerLossFactor: 0,
    centerLossAlfa: 0.95,
    optimizer: fixture.optimizer,
    movingAverageDecay: 0,
    precision,
    seed: fixture.seed,
  });
  try {
    await executor.writeParameters(hashedParameters(graph, fixture.seed));
    onMessage(`${graph.parameters.length} parameters, ${mismatches} mismatches; computing embeddings …`);
    const embeddings = await executor.embed(batch);
    const embeddingsMaxAbs = largestDifference(embeddings, fixture.eval.embeddings.flat());
    onMessage(`Embeddings differ by ${embeddingsMaxAbs.toExponential(2)} at most; one training step …`);
    const metrics = await executor.trainStep(batch, 0, fixture.learning_rate);
    const expected = fixture.train;
    const lossRel = Math.max(
      relative(metrics.totalLoss, expected.total_loss),
      relative(metrics.crossEntropy, expected.cross_entropy),
      relative(metrics.regularization, expected.regularization),
      relative(metrics.prelogitsNorm, expected.prelogits_norm),
    );
    const gradientErrors = probeErrors(await executor.readGradients(), expected.gradients, fixture.seed);
    const parameters = await executor.readParameters();
    const stepErrors = probeErrors(parameters, expected.after_one_step, fixture.seed);
    const movingErrors = [
      ...movingStatisticErrors(parameters, expected.moving_mean, 'moving_mean', fixture.seed),
      ...movingStatisticErrors(parameters, expected.moving_variance, 'moving_variance', fixture.seed),
    ];
    return makeReport(
      'model',
      executor.description,
      {
        parameter_mismatches: mismatches,
        embeddings_max_abs: embeddingsMaxAbs,
        ...(precision === 'float16' && {
          embeddings_cosine_distance: largestCosineDistance(embeddings, fixture.eval.embeddings),
        }),
        loss_rel: lossRel,
        gradient_median: quantile(gradientErrors, 0.5),
        gradient_p95: quantile(gradientErrors, 0.95),
        step_median: quantile(stepErrors, 0.5),
        moving_max: quantile(movingErrors, 1),
      },
      precision === 'float16' ? FLOAT16_MODEL_BOUNDS : MODEL_BOUNDS,
    );
  } finally {
    executor.dispose();
  }
}

function fixtureBatch(fixture: ModelFixture): LabelledBatch {
  const { batch_size: count, image_size: size } = fixture;
  const pixels = hashedPixels(count, size, fixture.seed);
  const sum = pixels.reduce((total, value) => total + value, 0);
  if (sum !== fixture.pixels.sum || fixture.pixels.first.some((value, index) => pixels[index] !== value))
    throw new NotAFixtureError(
      'The pixels generated from the fixture’s seed differ from those in the fixture, so the fixture was generated by other rules.',
    );
  return {
    count,
    height: size,
    width: size,
    pixels,
    labels: Int32Array.from(fixture.labels),
    transforms: centredTransforms(count, { width: size, height: size }, size),
  };
}

/** Names that only one side has, other shapes, other trainability, or other initial values. */
function countParameterMismatches(graph: Graph, fixture: ModelFixture): number {
  const values = hashedParameters(graph, fixture.seed);
  let mismatches = Object.keys(fixture.parameters).filter((name) => !values.has(name)).length;
  for (const spec of graph.parameters) {
    const expected = fixture.parameters[spec.name];
    const same =
      expected &&
      expected.shape.join() === spec.shape.join() &&
      expected.trainable === spec.trainable &&
      probeError(spec.name, values.get(spec.name)!.data, expected, fixture.seed) < 1e-5;
    if (!same) mismatches++;
  }
  return mismatches;
}

function largestDifference(embeddings: Float32Array, expected: readonly number[]): number {
  if (expected.length !== embeddings.length) return NaN;
  return expected.reduce(
    (largest, value, index) => maximum(largest, Math.abs(value - embeddings[index]!)),
    0,
  );
}

/** Of any row: 1 − cos(embedding, expected embedding). */
function largestCosineDistance(embeddings: Float32Array, expected: readonly (readonly number[])[]): number {
  return expected.reduce((largest, row, index) => {
    const found = embeddings.subarray(index * row.length, (index + 1) * row.length);
    const dot = row.reduce((sum, value, at) => sum + value * found[at]!, 0);
    return maximum(largest, 1 - dot / (Math.hypot(...row) * Math.hypot(...found)));
  }, 0);
}

/** As Math.max, but spelled for a reduce; a NaN stays. */
function maximum(a: number, b: number): number {
  return Number.isNaN(b) || b > a ? b : a;
}

function relative(value: number, expected: number): number {
  return Math.abs(value - expected) / Math.max(Math.abs(expected), 1e-12);
}

/** |probe − expected probe| relative to the expected l2 norm. */
function probeError(name: string, data: Float32Array, expected: TensorDigest, seed: number): number {
  return Math.abs(digestTensor(name, seed, data).probe - expected.probe) / expected.l2;
}

/** Values that are zero by construction have no relative error: those whose norm is rounding noise are left out. */
const SMALLEST_NORM = 1e-9;

function probeErrors(
  tensors: NamedTensors,
  expected: Readonly<Record<string, TensorDigest>>,
  seed: number,
): number[] {
  return Object.entries(expected)
    .filter(([, digest]) => digest.l2 > SMALLEST_NORM)
    .map(([name, digest]) => {
      const tensor = tensors.get(name);
      return tensor ? probeError(name, tensor.data, digest, seed) : NaN;
    });
}

function movingStatisticErrors(
  parameters: NamedTensors,
  expected: Readonly<Record<string, TensorDigest>>,
  statistic: 'moving_mean' | 'moving_variance',
  seed: number,
): number[] {
  return Object.entries(expected).map(([layer, digest]) => {
    const tensor = parameters.get(`${layer}/BatchNorm/${statistic}`);
    // These digests' probe is named by the layer.
    return tensor ? probeError(layer, tensor.data, digest, seed) : NaN;
  });
}
