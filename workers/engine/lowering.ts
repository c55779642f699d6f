/**
 * Turns a graph into programs: lists of kernels over views, for training, for evaluation and for embedding. Nothing
 * here touches a device, so that a program's memory can be planned before there is one.
 *
 * What is kept for the backward pass: each convolution's output (batch norm's gradient needs it, and finds the ReLU's
 * mask in it) and each layer's result (the next convolution's filter gradient needs it). Gradients are computed in
 * place wherever a kernel reads and writes the same values: a batch norm turns the gradient behind it into the one
 * before it, the branches of a concatenation read theirs from its slices, and a residual block passes its own on to
 * its input.
 *
 * With the precision float16 the values that have pixels, and their gradients, are stored as float16. Everything else
 * stays float32: parameters and their gradients, statistics, what comes after the last pooling, the losses.
 */
import type { Graph } from '../graph/ir.ts';
import type { ExecutorSettings } from '../training/executor.ts';
import { optimizerSlots } from '../training/optimizers.ts';
import type { FlatLayout } from './flat_layout.ts';
import { flatLayout } from './flat_layout.ts';
import { fuseLayers, type Layer, type NormLayer, type ProductLayer } from './fuse.ts';
import {
  batchStatisticsParts,
  biasGradientParts,
  normalize,
  normalizeGradient,
  normalizeGradientParts,
  normalizeWithMovingStatistics,
  type BatchNormOperands,
} from './kernels/batch_norm.ts';
import { convolutionDirect, type ConvolutionOperands } from './kernels/convolution_direct.ts';
import { convolutionGeometry, type ConvolutionGeometry } from './kernels/convolution_geometry.ts';
import { convolutionTiled } from './kernels/convolution_tiled.ts';
import { addScaled, copy, dropout, relu, reluGradient } from './kernels/elementwise.ts';
import type { InferenceNorm } from './kernels/epilogue.ts';
import {
  filterGradientDirect,
  filterGradientTiled,
  sumOfParts,
  type FilterGradientOperands,
} from './kernels/filter_gradient.ts';
import type { GatherDirection } from './kernels/gather_geometry.ts';
import { TRANSFORM_WORDS, cropImages, standardizeImages } from './kernels/images.ts';
import type { Kernel } from './kernels/kernel.ts';
import {
  METRIC_FLOATS,
  gradientNorm,
  crossEntropy,
  l2Normalize,
  metrics,
  prelogitsLosses,
  type PrelogitsLosses,
  rowResultsFloats,
  updateCenters,
} from './kernels/losses.ts';
import { LOSS_SCALE_FLOATS, findNotFinite, updateLossScale } from './kernels/loss_scale.ts';
import { optimizerStep, squareParts } from './kernels/optimizer.ts';
import { prelogitsHistogram } from './kernels/prelogits_histogram.ts';
import {
  averagePoolGradient,
  globalAveragePool,
  globalAveragePoolGradient,
  maxPoolGradient,
  pool,
} from './kernels/pooling.ts';
import { columnPartsLayout } from './kernels/reductions.ts';
import { DEFAULT_PRELOGITS_MAXIMUM, PRELOGITS_BINS } from '../training/prelogits_histogram.ts';
import { STEP_FLOATS } from './step_values.ts';
import {
  elementTypeOf,
  freshView,
  matrixView,
  rowsOf,
  sliceChannels,
  storage,
  type BufferName,
  type BufferRegion,
  type ElementType,
  type TensorView,
} from './tensor_view.ts';
import type { Variants } from './variants.ts';

export type ProgramKind = 'training' | 'evaluation' | 'embedding';

export interface Program {
  readonly kind: ProgramKind;
  readonly kernels: readonly Kernel[];
}

/** Every convolution of a graph with what is computed of it; what tuning measures. */
export interface ConvolutionUse {
  readonly operation: GatherDirection | 'filter_gradient';
  readonly shape: ConvolutionGeometry;
  /** Of its input and output; the weights are float32. */
  readonly elementType: ElementType;
}

export interface LoweringOptions {
  readonly settings: ExecutorSettings;
  readonly variants: Variants;
  /** Largest number of floats of the flat buffers that one kernel may bind. */
  readonly maximumRangeFloats: number;
}

const PARTS_OF_SQUARES = { alone: 64, workgroup: 8192 } as const;

export class Lowering {
  readonly layout: FlatLayout;
  readonly uses: ConvolutionUse[] = [];
  readonly #settings: ExecutorSettings;
  readonly #graph: Graph;
  readonly #layers: readonly Layer[];
  readonly #variants: Variants;
  readonly #maximumRangeFloats: number;

  constructor({ settings, variants, maximumRangeFloats }: LoweringOptions) {
    this.#settings = settings;
    this.#graph = settings.graph;
    this.#layers = fuseLayers(settings.graph);
    this.#variants = variants;
    this.#maximumRangeFloats = maximumRangeFloats;
    this.layout = flatLayout(settings.graph);
  }

  /** Sizes of the long-lived buffers, floats; those that are not needed are missing. */
  bufferFloats(pixelBytes: number): Map<BufferName, number> {
    const { graph, batchSize, optimizer, movingAverageDecay } = this.#settings;
    const { trainableFloats, statisticsFloats } = this.layout;
    const sizes = new Map<BufferName, number>([
      ['parameters', trainableFloats],
      ['statistics', statisticsFloats],
      ['pixels', Math.ceil(pixelBytes / 4)],
      ['transforms', batchSize * TRANSFORM_WORDS],
      ['labels', batchSize],
      ['step', STEP_FLOATS],
      ['metrics', METRIC_FLOATS],
      ['embeddings', batchSize * graph.embeddingSize],
    ]);
    if (graph.classes > 0) {
      sizes.set('gradients', trainableFloats);
      for (const index of optimizerSlots(optimizer).keys())
        sizes.set(index === 0 ? 'slot_0' : 'slot_1', trainableFloats);
      if (movingAverageDecay > 0) sizes.set('moving_average', trainableFloats);
      // As in the original, centres follow the prelogits also where their loss has no weight.
      sizes.set('centers', graph.classes * graph.embeddingSize);
      sizes.set('prelogits_histogram', PRELOGITS_BINS);
      if (this.#elementType === 'float16') sizes.set('loss_scale', LOSS_SCALE_FLOATS);
    }
    return sizes;
  }

  program(kind: ProgramKind): Program {
    if (kind === 'training') return { kind, kernels: this.#trainingKernels() };
    return { kind, kernels: this.#inferenceKernels(kind) };
  }

  /** Of values that have pixels. */
  get #elementType(): ElementType {
    return this.#settings.precision ?? 'float32';
  }

  #region(buffer: BufferName): BufferRegion {
    const floats = this.bufferFloats(this.#settings.batchSize * 4).get(buffer);
    if (floats === undefined) throw new Error(`There is no buffer ${buffer} in this run.`);
    return { kind: 'region', buffer, offset: 0, floats };
  }

  /** A parameter, or its gradient, as one row of its last axis' channels, or as [rows, channels]. */
  #parameter(name: string, buffer: 'own' | 'gradients' = 'own'): TensorView {
    const region = this.layout.region(name);
    const { shape } = this.layout.spec(name);
    const channels = shape.at(-1) ?? 1;
    const rows = shape.slice(0, -1).reduce((product, size) => product * size, 1);
    return matrixView(buffer === 'own' ? region : { ...region, buffer }, rows, channels);
  }

  // Forward ------------------------------------------------------------------------------------------------------

  /** Where the values of branches lie: in slices of the concatenations that read them. */
  #destinations(layers: readonly Layer[], shapes: ReadonlyMap<string, ViewShape>): Map<string, TensorView> {
    const destinations = new Map<string, TensorView>();
    const producers = new Map(layers.map((layer) => [layer.output, layer]));
    for (const layer of [...layers].reverse()) {
      if (layer.node.kind !== 'concat') continue;
      const view = destinations.get(layer.output) ?? newView(layer.output, shapes.get(layer.output)!);
      destinations.set(layer.output, view);
      let offset = 0;
      for (const input of layer.inputs) {
        const { channels } = shapes.get(input)!;
        const kind = producers.get(input)!.node.kind;
        if (!destinations.has(input) && kind !== 'input' && kind !== 'dropout')
          destinations.set(input, sliceChannels(view, offset, channels));
        offset += channels;
      }
    }
    return destinations;
  }

  #shapes(layers: readonly Layer[]): Map<string, ViewShape> {
    const { batchSize: batch, imageSize } = this.#settings;
    const shapes = new Map<string, ViewShape>();
    for (const layer of layers) {
      const first = shapes.get(layer.inputs[0] ?? '');
      shapes.set(layer.output, {
        ...outputShape(layer, first, shapes, batch, imageSize),
        elementType: outputElementType(layer, shapes, this.#elementType),
      });
    }
    return shapes;
  }

  /** Records the layers from the pixels on. @returns the values by node */
  #forward(
    kernels: Kernel[],
    layers: readonly Layer[],
    training: TrainingRecord | undefined,
    given: ReadonlyMap<string, TensorView> = new Map(),
  ): Map<string, TensorView> {
    const shapes = this.#shapes(layers);
    const destinations = this.#destinations(layers, shapes);
    for (const [name, view] of given) destinations.set(name, view);
    const values = new Map<string, TensorView>();
    for (const layer of layers) {
      const shape = shapes.get(layer.output)!;
      const target = (): TensorView => destinations.get(layer.output) ?? newView(layer.output, shape);
      const inputs = layer.inputs.map((name) => values.get(name)!);
      values.set(layer.output, this.#forwardLayer(kernels, layer, shape, inputs, target, training));
    }
    return values;
  }

  #forwardLayer(
    kernels: Kernel[],
    layer: Layer,
    shape: ViewShape,
    inputs: readonly TensorView[],
    target: () => TensorView,
    training: TrainingRecord | undefined,
  ): TensorView {
    const [input] = inputs as [TensorView];
    const name = layer.output;
    if (layer.kind === 'product')
      return this.#forwardProduct(kernels, layer, shape, inputs, target(), training);
    if (layer.kind === 'norm') {
      const output = target();
      if (training) this.#normalize(kernels, layer.node, layer.relu, input, output, name, training);
      else
        kernels.push(
          normalizeWithMovingStatistics(
            `${name} normalize`,
            input,
            output,
            this.#inferenceNorm(layer.node),
            layer.relu,
          ),
        );
      return output;
    }
    if (layer.kind === 'residual') {
      const output = target();
      kernels.push(addScaled(`${name} add`, input, inputs[1]!, layer.node.scale, layer.relu, output));
      return output;
    }
    const { node } = layer;
    switch (node.kind) {
      case 'input':
        return this.#prepareImages(kernels, shape);
      case 'relu': {
        const output = target();
        kernels.push(relu(`${name} relu`, input, output));
        return output;
      }
      case 'max_pool':
      case 'average_pool': {
        const output = target();
        kernels.push(pool(`${name} pool`, node.kind, input, output, node));
        return output;
      }
      case 'concat': {
        const output = target();
        let offset = 0;
        for (const view of inputs) {
          const slice = sliceChannels(output, offset, view.channels);
          if (!isSameView(slice, view)) kernels.push(copy(`${name} copy`, view, slice, false));
          offset += view.channels;
        }
        return output;
      }
      case 'global_average_pool': {
        const output = target();
        kernels.push(globalAveragePool(`${name} average`, input, output));
        return output;
      }
      case 'dropout': {
        const { keepProbability } = this.#settings;
        if (!training || keepProbability >= 1) return input;
        const output = target();
        kernels.push(dropout(`${name} dropout`, input, output, keepProbability, this.#region('step'), false));
        return output;
      }
      case 'l2_normalize': {
        const output = target();
        kernels.push(l2Normalize(input, output, node.epsilon, this.#variants.cooperation));
        return output;
      }
    }
  }

  #prepareImages(kernels: Kernel[], shape: ViewShape): TensorView {
    // A fourth, unused channel lets a pixel begin at a multiple of 16 bytes.
    const view = freshView('images', shape, 4, shape.elementType);
    const buffers = {
      pixels: this.#region('pixels'),
      transforms: this.#region('transforms'),
      step: this.#region('step'),
    };
    const fixed = this.#settings.useFixedImageStandardization;
    kernels.push(cropImages('image crop', buffers, view, fixed));
    if (!fixed) kernels.push(standardizeImages('image standardization', view, this.#variants.cooperation));
    return view;
  }

  #forwardProduct(
    kernels: Kernel[],
    layer: ProductLayer & { readonly output: string },
    shape: ViewShape,
    inputs: readonly TensorView[],
    output: TensorView,
    training: TrainingRecord | undefined,
  ): TensorView {
    const { node, norm, residual } = layer;
    const geometry = geometryOf(layer, inputs[0]!);
    const bias = node.biases === undefined ? undefined : this.#parameter(node.biases);
    const operands = (
      result: TensorView,
      epilogue: ConvolutionOperands['epilogue'],
    ): ConvolutionOperands => ({
      name: `${node.name} forward`,
      shape: geometry,
      source: inputs[0]!,
      weights: this.#parameter(node.weights),
      output: result,
      epilogue: epilogue ?? {},
    });
    if (norm && training) {
      const raw = newView(node.name, shape);
      this.#gather(kernels, 'forward', operands(raw, { bias }));
      this.#normalize(kernels, norm, layer.relu, raw, output, layer.output, training);
      return output;
    }
    this.#gather(
      kernels,
      'forward',
      operands(output, {
        bias,
        norm: norm && this.#inferenceNorm(norm),
        scale: residual?.scale,
        addend: residual && inputs[1]!,
        relu: layer.relu,
      }),
    );
    return output;
  }

  #inferenceNorm(node: NormLayer['node']): InferenceNorm {
    return {
      mean: this.#parameter(node.movingMean),
      variance: this.#parameter(node.movingVariance),
      beta: this.#parameter(node.beta),
      gamma: node.gamma === undefined ? undefined : this.#parameter(node.gamma),
      epsilon: node.epsilon,
    };
  }

  #gather(kernels: Kernel[], direction: GatherDirection, operands: ConvolutionOperands): void {
    const elementType = elementTypeOf(operands.source.memory);
    this.uses.push({ operation: direction, shape: operands.shape, elementType });
    const variant = this.#variants.convolution(direction, operands.shape, elementType);
    kernels.push(
      variant.kind === 'direct'
        ? convolutionDirect(direction, operands, variant)
        : convolutionTiled(direction, operands, variant),
    );
  }

  #normalize(
    kernels: Kernel[],
    node: NormLayer['node'],
    withRelu: boolean,
    input: TensorView,
    output: TensorView,
    name: string,
    training: TrainingRecord,
  ): void {
    const paddedChannels = Math.ceil(input.channels / 4) * 4;
    const { cooperation } = this.#variants;
    const operands: BatchNormOperands = {
      name: `${node.name} statistics`,
      input,
      parts: storage('parts', columnPartsLayout(rowsOf(input), input.channels).floats),
      statistics: storage(`${node.name} statistics`, 2 * paddedChannels),
      beta: this.#parameter(node.beta),
      gamma: node.gamma === undefined ? undefined : this.#parameter(node.gamma),
      epsilon: node.epsilon,
      relu: withRelu,
    };
    kernels.push(
      batchStatisticsParts(operands, cooperation),
      normalize(
        { ...operands, name: `${node.name} normalize` },
        output,
        {
          mean: this.layout.region(node.movingMean),
          variance: this.layout.region(node.movingVariance),
          decay: node.decay,
        },
        cooperation,
      ),
    );
    training.norms.set(name, operands);
  }

  // Training -----------------------------------------------------------------------------------------------------

  #trainingKernels(): Kernel[] {
    const { graph, batchSize, centerLossAlfa, weightDecay } = this.#settings;
    const { prelogits: prelogitsName, logits: logitsName } = graph.outputs;
    if (logitsName === undefined) throw new Error('A graph without classes cannot be trained.');
    const { cooperation } = this.#variants;
    const kernels: Kernel[] = [];
    const record: TrainingRecord = { norms: new Map() };
    const layers = neededLayers(this.#layers, [logitsName, prelogitsName]);
    const values = this.#forward(kernels, layers, record);

    const step = this.#region('step');
    const labels = this.#region('labels');
    const centers = this.#region('centers');
    const lossScale = this.#elementType === 'float16' ? this.#region('loss_scale') : undefined;
    const results = storage('row results', rowResultsFloats(batchSize));
    const logits = values.get(logitsName)!;
    const prelogits = values.get(prelogitsName)!;
    const gradients = new Map<string, TensorView>([
      [logitsName, gradientView('logits gradient', logits)],
      [prelogitsName, gradientView('prelogits gradient', prelogits)],
    ]);
    kernels.push(
      crossEntropy(logits, { labels, step, lossScale }, results, gradients.get(logitsName)!, cooperation),
      prelogitsLosses(
        prelogits,
        { labels, step, centers, lossScale },
        results,
        gradients.get(prelogitsName)!,
        this.#prelogitsLosses,
        cooperation,
      ),
    );
    const squares =
      weightDecay === 0 ? undefined : this.#squareParts(kernels, 'parameters', this.layout.regularizedFloats);
    kernels.push(metrics({ metrics: this.#region('metrics'), step }, results, 4, squares, cooperation));

    for (const layer of [...layers].reverse()) {
      const gradient = gradients.get(layer.output);
      if (gradient) this.#backwardLayer(kernels, layer, gradient, values, gradients, record);
    }
    kernels.push(
      updateCenters(prelogits, { labels, step, centers }, centerLossAlfa),
      prelogitsHistogram(
        prelogits,
        { step, histogram: this.#region('prelogits_histogram') },
        this.#settings.prelogitsHistMax ?? DEFAULT_PRELOGITS_MAXIMUM,
      ),
    );
    kernels.push(...this.#optimizerKernels(lossScale));
    // After the optimizer, which adds the weight decay to the gradients and takes the loss scale out of them.
    const squaredGradients = this.#squareParts(kernels, 'gradients', this.layout.trainableFloats);
    kernels.push(gradientNorm(this.#region('metrics'), squaredGradients, cooperation));
    return kernels;
  }

  #ranges(floats: number): { offset: number; floats: number }[] {
    const ranges: { offset: number; floats: number }[] = [];
    for (let offset = 0; offset < floats; offset += this.#maximumRangeFloats)
      ranges.push({ offset, floats: Math.min(this.#maximumRangeFloats, floats - offset) });
    return ranges;
  }

  get #prelogitsLosses(): PrelogitsLosses {
    const { prelogitsNormLossFactor, prelogitsNormP, centerLossFactor } = this.#settings;
    return { normFactor: prelogitsNormLossFactor, normP: prelogitsNormP, centerFactor: centerLossFactor };
  }

  #squareParts(
    kernels: Kernel[],
    buffer: 'parameters' | 'gradients',
    count: number,
  ): { memory: ReturnType<typeof storage>; parts: number } {
    const ranges = this.#ranges(count);
    const partsOfRange = PARTS_OF_SQUARES[this.#variants.cooperation];
    const memory = storage(`squared ${buffer}`, ranges.length * partsOfRange);
    ranges.forEach(({ offset, floats }, index) =>
      kernels.push(squareParts(buffer, offset, floats, memory, index * partsOfRange, partsOfRange)),
    );
    return { memory, parts: ranges.length * partsOfRange };
  }

  #optimizerKernels(lossScale: BufferRegion | undefined): Kernel[] {
    const { optimizer, weightDecay, movingAverageDecay } = this.#settings;
    const options = {
      optimizer,
      slots: optimizerSlots(optimizer).length,
      weightDecay,
      hasMovingAverage: movingAverageDecay > 0,
      regularizedFloats: this.layout.regularizedFloats,
      lossScale,
    };
    const ranges = this.#ranges(this.layout.trainableFloats);
    const steps = ranges.map(({ offset, floats }) =>
      optimizerStep(options, offset, floats, this.#region('step')),
    );
    if (!lossScale) return steps;
    return [
      ...ranges.map(({ offset, floats }) => findNotFinite(offset, floats, lossScale)),
      ...steps,
      updateLossScale(lossScale),
    ];
  }

  // Backward -----------------------------------------------------------------------------------------------------

  #backwardLayer(
    kernels: Kernel[],
    layer: Layer,
    gradient: TensorView,
    values: ReadonlyMap<string, TensorView>,
    gradients: Map<string, TensorView>,
    record: TrainingRecord,
  ): void {
    const name = layer.output;
    const value = (node: string): TensorView => values.get(node)!;
    /** Where a node's gradient is written, or added to if a reader of the node has written one. */
    const target = (node: string): { view: TensorView; accumulate: boolean } => {
      const existing = gradients.get(node);
      if (existing) return { view: existing, accumulate: true };
      const view = gradientView(`${node} gradient`, value(node));
      gradients.set(node, view);
      return { view, accumulate: false };
    };
    /** Hands a gradient on as it is: it belongs to the node from now on. */
    const pass = (node: string, view: TensorView): void => {
      const existing = gradients.get(node);
      if (existing) kernels.push(copy(`${node} gradient sum`, view, existing, true));
      else gradients.set(node, view);
    };
    if (layer.kind === 'product') {
      if (layer.norm) this.#normalizeGradient(kernels, layer.norm, name, gradient, record);
      else if (layer.relu) kernels.push(reluGradient(`${name} relu gradient`, value(name), gradient));
      this.#productGradients(kernels, layer, gradient, value(layer.node.input), () =>
        this.#isImage(layer.node.input) ? undefined : target(layer.node.input),
      );
      if (layer.residual) pass(layer.residual.input, gradient);
      return;
    }
    if (layer.kind === 'norm') {
      this.#normalizeGradient(kernels, layer.node, name, gradient, record);
      return pass(layer.node.input, gradient);
    }
    if (layer.kind === 'residual') {
      if (layer.relu) kernels.push(reluGradient(`${name} relu gradient`, value(name), gradient));
      const residual = target(layer.node.residual);
      kernels.push(
        copy(`${name} residual gradient`, gradient, residual.view, residual.accumulate, layer.node.scale),
      );
      return pass(layer.node.input, gradient);
    }
    const { node } = layer;
    switch (node.kind) {
      case 'input':
        return;
      case 'relu':
        kernels.push(reluGradient(`${name} gradient`, value(name), gradient));
        return pass(node.input, gradient);
      case 'max_pool':
      case 'average_pool': {
        const input = target(node.input);
        kernels.push(
          node.kind === 'max_pool'
            ? maxPoolGradient(
                `${name} gradient`,
                value(node.input),
                value(name),
                gradient,
                input.view,
                node,
                input.accumulate,
              )
            : averagePoolGradient(`${name} gradient`, gradient, input.view, node, input.accumulate),
        );
        return;
      }
      case 'concat': {
        let offset = 0;
        for (const input of node.inputs) {
          const { channels } = value(input);
          if (!this.#isImage(input)) pass(input, sliceChannels(gradient, offset, channels));
          offset += channels;
        }
        return;
      }
      case 'global_average_pool': {
        const input = target(node.input);
        kernels.push(globalAveragePoolGradient(`${name} gradient`, gradient, input.view, input.accumulate));
        return;
      }
      case 'dropout': {
        const { keepProbability } = this.#settings;
        if (keepProbability >= 1) return pass(node.input, gradient);
        const input = target(node.input);
        kernels.push(
          dropout(
            `${name} gradient`,
            gradient,
            input.view,
            keepProbability,
            this.#region('step'),
            input.accumulate,
          ),
        );
        return;
      }
      case 'l2_normalize':
        throw new Error(`No loss acts on ${node.name}: the losses act on prelogits and logits.`);
    }
  }

  #isImage(name: string): boolean {
    return this.#graph.nodes[0]!.name === name;
  }

  #normalizeGradient(
    kernels: Kernel[],
    node: NormLayer['node'],
    name: string,
    gradient: TensorView,
    record: TrainingRecord,
  ): void {
    const kept = record.norms.get(name)!;
    const operands: BatchNormOperands = {
      ...kept,
      name: `${node.name} gradient sums`,
      parts: storage('parts', columnPartsLayout(rowsOf(kept.input), kept.input.channels).floats),
    };
    const { cooperation } = this.#variants;
    kernels.push(
      normalizeGradientParts(operands, gradient, cooperation),
      normalizeGradient(
        { ...operands, name: `${node.name} gradient` },
        gradient,
        this.#parameter(node.beta, 'gradients'),
        node.gamma === undefined ? undefined : this.#parameter(node.gamma, 'gradients'),
        cooperation,
      ),
    );
  }

  /** Gradients of a product's weights, biases and input; `gradient` is that of its output over the residual's scale. */
  #productGradients(
    kernels: Kernel[],
    layer: ProductLayer,
    gradient: TensorView,
    input: TensorView,
    target: () => { view: TensorView; accumulate: boolean } | undefined,
  ): void {
    const { node, residual } = layer;
    const scale = residual?.scale ?? 1;
    const shape = geometryOf(layer, input);
    this.#filterGradient(kernels, node.name, shape, input, gradient, node.weights, scale);
    if (node.biases !== undefined) {
      const { parts, floats } = columnPartsLayout(rowsOf(gradient), gradient.channels);
      const memory = storage('parts', floats);
      const { cooperation } = this.#variants;
      const padded = Math.ceil(gradient.channels / 4) * 4;
      kernels.push(
        biasGradientParts(`${node.name} bias gradient parts`, gradient, memory, cooperation),
        sumOfParts(
          `${node.name} bias gradient`,
          memory,
          parts,
          padded,
          { ...this.layout.region(node.biases), buffer: 'gradients' },
          scale,
        ),
      );
    }
    const result = target();
    if (!result) return;
    this.#gather(kernels, 'input_gradient', {
      name: `${node.name} input gradient`,
      shape,
      source: gradient,
      weights: this.#parameter(node.weights),
      output: result.view,
      epilogue: { scale, addend: result.accumulate ? result.view : undefined },
    });
  }

  #filterGradient(
    kernels: Kernel[],
    name: string,
    shape: ConvolutionGeometry,
    input: TensorView,
    gradient: TensorView,
    weights: string,
    scale: number,
  ): void {
    const elementType = elementTypeOf(input.memory);
    this.uses.push({ operation: 'filter_gradient', shape, elementType });
    const variant = this.#variants.filterGradient(shape, elementType);
    const result = this.#parameter(weights, 'gradients');
    const rows = rowsOf(result);
    const single = variant.splits === 1;
    const parts = single
      ? undefined
      : storage('filter gradient parts', variant.splits * rows * shape.filters);
    const operands: FilterGradientOperands = {
      name: `${name} filter gradient`,
      shape,
      input,
      gradient,
      output: parts ? matrixView(parts, variant.splits * rows, shape.filters) : result,
      scale: single ? scale : 1,
    };
    kernels.push(
      variant.kind === 'direct'
        ? filterGradientDirect(operands, variant)
        : filterGradientTiled(operands, variant),
    );
    if (parts)
      kernels.push(
        sumOfParts(
          `${name} filter gradient sum`,
          parts,
          variant.splits,
          rows * shape.filters,
          { ...this.layout.region(weights), buffer: 'gradients' },
          scale,
        ),
      );
  }

  // Inference ----------------------------------------------------------------------------------------------------

  #inferenceKernels(kind: 'evaluation' | 'embedding'): Kernel[] {
    const { graph, batchSize } = this.#settings;
    const { cooperation } = this.#variants;
    const kernels: Kernel[] = [];
    if (kind === 'embedding') {
      const name = graph.outputs.embeddings;
      const view = matrixView(this.#region('embeddings'), batchSize, graph.embeddingSize);
      this.#forward(kernels, neededLayers(this.#layers, [name]), undefined, new Map([[name, view]]));
      return kernels;
    }
    const { logits, prelogits } = graph.outputs;
    if (logits === undefined) throw new Error('A graph without classes has no accuracy.');
    const values = this.#forward(kernels, neededLayers(this.#layers, [logits, prelogits]), undefined);
    const step = this.#region('step');
    const labels = this.#region('labels');
    const results = storage('row results', rowResultsFloats(batchSize));
    kernels.push(
      crossEntropy(values.get(logits)!, { labels, step }, results, undefined, cooperation),
      prelogitsLosses(
        values.get(prelogits)!,
        { labels, step, centers: this.#region('centers') },
        results,
        undefined,
        this.#prelogitsLosses,
        cooperation,
      ),
    );
    const squares =
      this.#settings.weightDecay === 0
        ? undefined
        : this.#squareParts(kernels, 'parameters', this.layout.regularizedFloats);
    kernels.push(metrics({ metrics: this.#region('metrics'), step }, results, 4, squares, cooperation));
    return kernels;
  }
}

/** What the forward pass leaves for the backward pass, by the layer's output. */
interface TrainingRecord {
  readonly norms: Map<string, BatchNormOperands>;
}

interface ImageShape {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

interface ViewShape extends ImageShape {
  readonly elementType: ElementType;
}

function newView(name: string, shape: ViewShape): TensorView {
  return freshView(name, shape, shape.channels, shape.elementType);
}

/** A gradient is stored as its value is. */
function gradientView(name: string, value: TensorView): TensorView {
  return newView(name, { ...value, elementType: elementTypeOf(value.memory) });
}

/** A dense layer is a 1×1 convolution of images of one pixel. */
function geometryOf(layer: ProductLayer, input: ImageShape): ConvolutionGeometry {
  const { node } = layer;
  return node.kind === 'conv2d'
    ? convolutionGeometry(input, node.filters, node.kernel, node.stride, node.padding)
    : convolutionGeometry(input, node.units, [1, 1], 1, 'VALID');
}

function outputShape(
  layer: Layer,
  input: ImageShape | undefined,
  shapes: ReadonlyMap<string, ImageShape>,
  batch: number,
  imageSize: number,
): ImageShape {
  const { node } = layer;
  if (node.kind === 'input') return { batch, height: imageSize, width: imageSize, channels: node.channels };
  if (!input) throw new Error(`${layer.output} is used before it is defined.`);
  if (layer.kind === 'product') {
    const { outHeight, outWidth, filters } = geometryOf(layer, input);
    return { batch, height: outHeight, width: outWidth, channels: filters };
  }
  switch (node.kind) {
    case 'max_pool':
    case 'average_pool': {
      const { outHeight, outWidth } = convolutionGeometry(
        input,
        input.channels,
        [node.size, node.size],
        node.stride,
        node.padding,
      );
      return { batch, height: outHeight, width: outWidth, channels: input.channels };
    }
    case 'concat':
      return {
        ...input,
        channels: layer.inputs.reduce((sum, name) => sum + shapes.get(name)!.channels, 0),
      };
    case 'global_average_pool':
      return { batch, height: 1, width: 1, channels: input.channels };
    default:
      return { batch: input.batch, height: input.height, width: input.width, channels: input.channels };
  }
}

/** What comes after the images have become vectors is small, and the losses are sensitive to it: it stays float32. */
function outputElementType(
  { node, inputs }: Layer,
  shapes: ReadonlyMap<string, ViewShape>,
  ofImages: ElementType,
): ElementType {
  if (node.kind === 'input') return ofImages;
  if (node.kind === 'dense' || node.kind === 'global_average_pool' || node.kind === 'l2_normalize')
    return 'float32';
  return inputs.some((name) => shapes.get(name)!.elementType === 'float16') ? 'float16' : 'float32';
}

/** The layers that the named values depend on. */
function neededLayers(layers: readonly Layer[], names: readonly string[]): Layer[] {
  const needed = new Set(names);
  for (const layer of [...layers].reverse())
    if (needed.has(layer.output)) for (const input of layer.inputs) needed.add(input);
  return layers.filter((layer) => needed.has(layer.output));
}

function isSameView(a: TensorView, b: TensorView): boolean {
  return a.memory === b.memory && a.channelOffset === b.channelOffset && a.channelStride === b.channelStride;
}
