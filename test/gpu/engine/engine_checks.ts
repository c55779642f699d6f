/** Compares each kernel of the engine with float64. The functions return the relative error, for tests and for Node. */
import type { EngineDevice } from '../../../workers/gpu/device.ts';
import {
  batchStatisticsParts,
  biasGradientParts,
  normalize,
  normalizeGradient,
  normalizeGradientParts,
  type BatchNormOperands,
} from '../../../workers/compute/engine/kernels/batch_norm.ts';
import type { ConvolutionGeometry } from '../../../workers/compute/engine/kernels/convolution_geometry.ts';
import {
  convolutionProduct,
  type ConvolutionVariant,
} from '../../../workers/compute/engine/kernels/convolution_product.ts';
import {
  filterGradientDirect,
  filterGradientTiled,
  sumOfParts,
} from '../../../workers/compute/engine/kernels/filter_gradient.ts';
import { cropImages, standardizeImages } from '../../../workers/compute/engine/kernels/images.ts';
import type { NumberMode } from '../../../workers/compute/engine/kernels/kernel.ts';
import { columnPartsLayout, type Cooperation } from '../../../workers/compute/engine/kernels/reductions.ts';
import {
  freshView,
  matrixView,
  rowsOf,
  storage,
  type ElementType,
  type TensorView,
} from '../../../workers/compute/engine/tensor_view.ts';
import type { GradientVariant } from '../../../workers/compute/engine/variants.ts';
import { prepareImages } from '../../../workers/compute/step/augmentation.ts';
import type { ImageBatch } from '../../../workers/compute/executor.ts';
import {
  convolutionReference,
  imageInputs,
  memoryOfView,
  momentsReference,
  randomValues,
  region,
  relativeError,
  roundedToHalf,
  runKernels,
  slicedView,
  valuesOfView,
} from './engine_support.ts';

export interface SliceWidths {
  readonly before: number;
  readonly after: number;
}

export async function checkConvolution(
  device: EngineDevice,
  operation: 'forward' | 'input_gradient' | 'filter_gradient',
  shape: ConvolutionGeometry,
  variant: ConvolutionVariant | GradientVariant,
  slice: SliceWidths = { before: 0, after: 0 },
  numbers?: NumberMode,
  elementType: ElementType = 'float32',
): Promise<number> {
  const { batch, height, width, channels, outHeight, outWidth, filters } = shape;
  const weightRows = shape.kernelHeight * shape.kernelWidth * channels;
  const input = slicedView(
    'input',
    { batch, height, width, channels },
    slice.before,
    slice.after,
    elementType,
  );
  const output = slicedView(
    'output',
    { batch, height: outHeight, width: outWidth, channels: filters },
    slice.before,
    slice.after,
    elementType,
  );
  const weights = matrixView(storage('weights', weightRows * filters), weightRows, filters);
  const stored = elementType === 'float16' ? roundedToHalf : (values: Float32Array) => values;
  const inputValues = stored(randomValues(rowsOf(input) * channels, 1));
  const weightValues = randomValues(weightRows * filters, 2);
  const outputValues = stored(randomValues(rowsOf(output) * filters, 3));
  const given = {
    input: [input, memoryOfView(inputValues, input)] as const,
    weights: [weights, memoryOfView(weightValues, weights)] as const,
    output: [output, memoryOfView(outputValues, output)] as const,
  };
  if (operation === 'filter_gradient') {
    const gradientVariant = variant as GradientVariant;
    const parts = storage('parts', gradientVariant.splits * weightRows * filters);
    const operands = {
      name: operation,
      shape,
      input,
      gradient: output,
      output: matrixView(parts, gradientVariant.splits * weightRows, filters),
      scale: 1,
    };
    const kernel =
      gradientVariant.kind === 'direct'
        ? filterGradientDirect(operands, gradientVariant)
        : filterGradientTiled(operands, gradientVariant);
    const [found] = await runKernels(
      device,
      [kernel, sumOfParts('sum', parts, gradientVariant.splits, weightRows * filters, weights.memory, 0.5)],
      new Map([
        [input.memory, given.input[1]],
        [output.memory, given.output[1]],
      ]),
      [weights.memory],
      numbers,
    );
    const expected = convolutionReference(operation, shape, inputValues, outputValues).map(
      (value) => value / 2,
    );
    return relativeError(valuesOfView(found!, weights), expected);
  }
  const forward = operation === 'forward';
  const source = forward ? input : output;
  const result = forward ? output : input;
  const operands = { name: operation, shape, source, weights, output: result };
  const [found] = await runKernels(
    device,
    convolutionProduct(operation, operands, variant as ConvolutionVariant),
    new Map([
      [source.memory, forward ? given.input[1] : given.output[1]],
      [weights.memory, given.weights[1]],
    ]),
    [result.memory],
    numbers,
  );
  return relativeError(
    valuesOfView(found!, result),
    convolutionReference(operation, shape, forward ? inputValues : outputValues, weightValues),
  );
}

export interface BatchNormErrors {
  readonly output: number;
  readonly movingMean: number;
  readonly movingVariance: number;
  readonly inputGradient: number;
  readonly betaGradient: number;
  readonly gammaGradient: number;
}

/** Batch norm forward and backward. @param mean the mean of the inputs, whose deviations are about 0.6 */
export async function checkBatchNorm(
  device: EngineDevice,
  shape: {
    readonly batch: number;
    readonly height: number;
    readonly width: number;
    readonly channels: number;
  },
  options: {
    readonly cooperation: Cooperation;
    readonly relu: boolean;
    readonly hasGamma: boolean;
    readonly mean: number;
    readonly slice?: SliceWidths;
    readonly elementType?: ElementType;
  },
): Promise<BatchNormErrors> {
  const { cooperation, relu, hasGamma, slice = { before: 0, after: 0 }, elementType = 'float32' } = options;
  const { channels } = shape;
  const rows = shape.batch * shape.height * shape.width;
  const padded = Math.ceil(channels / 4) * 4;
  const epsilon = 0.001;
  const decay = 0.9;
  const input = freshView('input', shape, channels, elementType);
  const output = slicedView('output', shape, slice.before, slice.after, elementType);
  const gradient = slicedView('gradient', shape, slice.before, slice.after, elementType);
  const vector = (offset: number, buffer: 'parameters' | 'gradients'): TensorView =>
    matrixView(region(buffer, 64 * Math.ceil(channels / 64), offset), 1, channels);
  const width = 64 * Math.ceil(channels / 64);
  const operands: BatchNormOperands = {
    name: 'batch norm',
    input,
    parts: storage('parts', columnPartsLayout(rows, channels).floats),
    statistics: storage('statistics', 2 * padded),
    beta: vector(0, 'parameters'),
    gamma: hasGamma ? vector(width, 'parameters') : undefined,
    epsilon,
    relu,
  };
  const moving = { mean: region('statistics', width), variance: region('statistics', width, width), decay };
  const betaGradient = vector(0, 'gradients');
  const gammaGradient = hasGamma ? vector(width, 'gradients') : undefined;
  const stored = elementType === 'float16' ? roundedToHalf : (values: Float32Array) => values;
  const inputValues = stored(randomValues(rows * channels, 11).map((value) => value + options.mean));
  const gradientValues = stored(randomValues(rows * channels, 12));
  const parameters = randomValues(2 * width, 13);
  const statistics = randomValues(2 * width, 14).map(Math.abs);
  const [outputMemory, gradientMemory, statisticsMemory, betaMemory, gammaMemory] = await runKernels(
    device,
    [
      batchStatisticsParts(operands, cooperation),
      normalize(operands, output, moving, cooperation),
      normalizeGradientParts(operands, gradient, cooperation),
      normalizeGradient(operands, gradient, betaGradient, gammaGradient, cooperation),
    ],
    new Map([
      [input.memory, memoryOfView(inputValues, input)],
      [gradient.memory, memoryOfView(gradientValues, gradient)],
      [region('parameters', 2 * width), parameters],
      [region('statistics', 2 * width), statistics],
    ]),
    [
      output.memory,
      gradient.memory,
      region('statistics', 2 * width),
      betaGradient.memory,
      ...(gammaGradient ? [gammaGradient.memory] : []),
    ],
  );
  const { mean, variance } = momentsReference(inputValues, channels);
  const gamma = (c: number): number => (hasGamma ? parameters[width + c]! : 1);
  const normal = (index: number): number => {
    const c = index % channels;
    return (inputValues[index]! - mean[c]!) / Math.sqrt(variance[c]! + epsilon);
  };
  const expectedOutput = new Float64Array(rows * channels);
  const expectedBeta = new Float64Array(channels);
  const expectedGamma = new Float64Array(channels);
  const before = new Float64Array(rows * channels);
  for (let index = 0; index < before.length; index++) {
    const c = index % channels;
    const value = normal(index) * gamma(c) + parameters[c]!;
    expectedOutput[index] = relu ? Math.max(value, 0) : value;
    before[index] = !relu || value > 0 ? gradientValues[index]! : 0;
    expectedBeta[c]! += before[index]!;
    expectedGamma[c]! += before[index]! * normal(index);
  }
  const expectedGradient = before.map((value, index) => {
    const c = index % channels;
    const factor = gamma(c) / Math.sqrt(variance[c]! + epsilon);
    return factor * (value - expectedBeta[c]! / rows - (normal(index) * expectedGamma[c]!) / rows);
  });
  const moved = (offset: number, target: (c: number) => number): Float64Array =>
    Float64Array.from(
      { length: channels },
      (_, c) => decay * statistics[offset + c]! + (1 - decay) * target(c),
    );
  return {
    output: relativeError(valuesOfView(outputMemory!, output), expectedOutput),
    inputGradient: relativeError(valuesOfView(gradientMemory!, gradient), expectedGradient),
    betaGradient: relativeError(betaMemory!.subarray(0, channels), expectedBeta),
    gammaGradient: gammaMemory ? relativeError(gammaMemory.subarray(0, channels), expectedGamma) : 0,
    movingMean: relativeError(
      statisticsMemory!.subarray(0, channels),
      moved(0, (c) => mean[c]!),
    ),
    movingVariance: relativeError(
      statisticsMemory!.subarray(width, width + channels),
      moved(width, (c) => (variance[c]! * rows) / Math.max(rows - 1, 1)),
    ),
  };
}

/** Column sums for the gradient of a bias, with a factor. */
export async function checkBiasGradient(
  device: EngineDevice,
  rows: number,
  channels: number,
  cooperation: Cooperation,
): Promise<number> {
  const gradient = matrixView(storage('gradient', rows * channels), rows, channels);
  const { parts, floats } = columnPartsLayout(rows, channels);
  const memory = storage('parts', floats);
  const padded = Math.ceil(channels / 4) * 4;
  const target = storage('bias', padded);
  const values = randomValues(rows * channels, 21);
  const [found] = await runKernels(
    device,
    [
      biasGradientParts('bias', gradient, memory, cooperation),
      sumOfParts('bias sum', memory, parts, padded, target, 0.17),
    ],
    new Map([[gradient.memory, memoryOfView(values, gradient)]]),
    [target],
  );
  const expected = new Float64Array(channels);
  for (let index = 0; index < values.length; index++) expected[index % channels]! += 0.17 * values[index]!;
  return relativeError(found!.subarray(0, channels), expected);
}

/**
 * The input of the network from stored pixels, compared with prepareImages.
 * @returns the relative error without rotated levels that are rounded the other way, and the share of these
 */
export async function checkImages(
  device: EngineDevice,
  batch: ImageBatch,
  imageSize: number,
  standardizeFixed: boolean,
  cooperation: Cooperation,
): Promise<{ readonly error: number; readonly otherLevels: number }> {
  const view = freshView(
    'images',
    { batch: batch.count, height: imageSize, width: imageSize, channels: 3 },
    4,
  );
  const { regions, contents } = imageInputs(batch);
  const kernels = [cropImages('crop', regions, view, standardizeFixed)];
  if (!standardizeFixed) kernels.push(standardizeImages('standardize', view, cooperation));
  const [memory] = await runKernels(device, kernels, contents, [view.memory]);
  const found = valuesOfView(memory!, view);
  const expected = prepareImages(batch, imageSize, standardizeFixed);
  if (!standardizeFixed) return { error: relativeError(found, expected), otherLevels: 0 };
  let others = 0;
  for (let index = 0; index < found.length; index++) {
    // One level is 1/128.
    const difference = Math.abs(found[index]! - expected[index]!);
    if (difference < 0.5 / 128 || difference > 1.5 / 128) continue;
    others++;
    found[index] = expected[index]!;
  }
  return { error: relativeError(found, expected), otherLevels: others / found.length };
}
