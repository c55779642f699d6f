/**
 * How much WebAssembly memory a network needs. This is checked before anything is allocated, because TensorFlow.js
 * fails with "null function" or "memory access out of bounds" if the memory is used up.
 */
import type { Graph, GraphNode } from '../graph/ir.ts';
import { inferShapes, inputsOf } from '../graph/shapes.ts';
import { elementCount } from '../../protocol/tensor.ts';
import type { EmbedderSettings } from '../executor.ts';
import { formatMegabytes } from '../../gpu/errors.ts';

/** The largest memory that the modules of tfjs-backend-wasm 4.22 declare: all that 32-bit addresses reach. */
export const WASM_MEMORY_BYTES = 2 ** 32;
/**
 * Accounts for gaps of the allocator, copies inside the kernels, and the steps in which the memory grows. Measured in
 * Node, without the fixed part, networks took up to this many times the memory that is counted here:
 * Inception-ResNet-v1 at 160 pixels with batches of 4 and 12: 1.30 and 1.26 times; SqueezeNet with 10, 20,000 and
 * 100,000 people: 1.10, 1.13 and 1.45 times. Embedding 32 images: 1.47 and 0.84 times.
 */
const ALLOCATION_FACTOR = 1.5;
/** The module itself, and the stacks and workspace of its threads. */
const FIXED_BYTES = 32e6;
const MOST_IMAGES = 4096;

export class WasmMemoryError extends Error {
  override name = 'WasmMemoryError';
  /** @param remedy a sentence that says what fits */
  constructor(what: string, neededBytes: number, remedy: string) {
    super(
      `${what} need about ${formatMegabytes(neededBytes)}, but WebAssembly has only ${formatMegabytes(WASM_MEMORY_BYTES)}. ${remedy}`,
    );
  }
}

/** An upper estimate of the peak memory of a training step (without classes: of embedding a batch), bytes. */
export function wasmBytes({ graph, batchSize, imageSize }: WasmSettings): number {
  const shapes = inferShapes(graph, { batchSize, imageSize });
  const sizes = new Map([...shapes].map(([name, shape]) => [name, elementCount(shape)]));
  const values = graph.classes > 0 ? trainingValues(graph, sizes) : embeddingValues(graph, sizes);
  return FIXED_BYTES + ALLOCATION_FACTOR * 4 * values;
}

export type WasmSettings = Pick<EmbedderSettings, 'graph' | 'batchSize' | 'imageSize'>;

/** @throws WasmMemoryError */
export function requireWasmFit(settings: WasmSettings): void {
  const needed = wasmBytes(settings);
  if (needed <= WASM_MEMORY_BYTES) return;
  const { graph, batchSize, imageSize } = settings;
  const fits = (images: number): boolean =>
    wasmBytes({ ...settings, batchSize: images }) <= WASM_MEMORY_BYTES;
  const isTraining = graph.classes > 0;
  const images = `${batchSize} images of ${imageSize} × ${imageSize} pixels`;
  // Batch statistics need at least two images.
  const smallest = isTraining ? 2 : 1;
  if (batchSize > smallest && fits(smallest)) {
    const largest = largestThat(fits, smallest, Math.min(batchSize, MOST_IMAGES));
    throw new WasmMemoryError(
      isTraining ? `Training steps of ${images}` : `Batches of ${images}`,
      needed,
      `The largest batch_size that fits is ${largest}.`,
    );
  }
  if (isTraining) {
    const fitting = (classes: number): boolean =>
      wasmBytes({ graph: withClasses(graph, classes), batchSize: smallest, imageSize }) <= WASM_MEMORY_BYTES;
    if (fitting(2))
      throw new WasmMemoryError(
        `Training steps for ${graph.classes} people with ${graph.embeddingSize} embedding values each`,
        needed,
        `With this embedding_size at most ${largestThat(fitting, 2, graph.classes)} people fit. Train on fewer people, choose a smaller embedding_size, or use a browser with WebGPU on a GPU.`,
      );
  }
  const largest = largestThat(
    (size) => wasmBytes({ ...settings, batchSize: smallest, imageSize: size }) <= WASM_MEMORY_BYTES,
    graph.minimumImageSize,
    imageSize,
  );
  throw new WasmMemoryError(
    `Even ${smallest === 1 ? 'single images' : 'batches of two images'} of ${imageSize} × ${imageSize} pixels`,
    needed,
    `The largest image_size that fits is ${largest}.`,
  );
}

function withClasses(graph: Graph, classes: number): Graph {
  const logits = graph.nodes.find(({ name }) => name === graph.outputs.logits);
  if (logits?.kind !== 'dense') return graph;
  return {
    ...graph,
    classes,
    nodes: graph.nodes.map((node) => (node === logits ? { ...logits, units: classes } : node)),
    parameters: graph.parameters.map((spec) =>
      spec.name === logits.weights || spec.name === logits.biases
        ? { ...spec, shape: [...spec.shape.slice(0, -1), classes] }
        : spec,
    ),
  };
}

/** @returns the largest integer that fits; `low` fits and `high` does not */
function largestThat(fits: (value: number) => boolean, low: number, high: number): number {
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (fits(middle)) low = middle;
    else high = middle;
  }
  return low;
}

function trainingValues(graph: Graph, sizes: ReadonlyMap<string, number>): number {
  const parameterValues = valuesOf(graph);
  const sizeOf = (name: string): number => sizes.get(name)!;
  const weightsOf = (node: GraphNode): number => ('weights' in node ? parameterValues.get(node.weights)! : 0);
  const inputsSize = (node: GraphNode): number => inputsOf(node).reduce((sum, name) => sum + sizeOf(name), 0);
  // Convolutions and products keep a packed copy of their weights as long as the weights live.
  const parameters = sum(parameterValues.values()) + sum(graph.nodes.map(weightsOf));
  let outputs = sum(sizes.values());
  let gradients = 0;
  let peak = 0;
  for (const node of [...graph.nodes].reverse()) {
    const weights = weightsOf(node);
    const [input, output] = [inputsSize(node), sizeOf(node.name)];
    // The gradients in progress at this node. For a convolution, also a padded, a transposed and a packed copy of
    // each, the weights' gradient, and transposed and packed weights.
    const work = node.kind === 'conv2d' ? 3 * input + 4 * output + 3 * weights : input + output + 3 * weights;
    peak = Math.max(peak, parameters + outputs + gradients + input + output + work);
    gradients += weights;
    outputs -= output;
  }
  return peak;
}

function embeddingValues(graph: Graph, sizes: ReadonlyMap<string, number>): number {
  const parameterValues = valuesOf(graph);
  const lastReaders = new Map(
    graph.nodes.flatMap((node, index) => inputsOf(node).map((input) => [input, index] as const)),
  );
  let [live, peak, weights] = [0, 0, 0];
  for (const [index, node] of graph.nodes.entries()) {
    live += sizes.get(node.name)!;
    if ('weights' in node) weights += parameterValues.get(node.weights)!;
    peak = Math.max(peak, live);
    for (const input of inputsOf(node)) if (lastReaders.get(input) === index) live -= sizes.get(input)!;
  }
  return sum(parameterValues.values()) + weights + peak;
}

function valuesOf(graph: Graph): Map<string, number> {
  return new Map(graph.parameters.map(({ name, shape }) => [name, elementCount(shape)]));
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
