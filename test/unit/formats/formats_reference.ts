/** A small network with every kind of node, and a plain float64 evaluation of any network: an oracle for exports. */
import { GraphBuilder } from '../../../workers/compute/graph/builder.ts';
import type { Graph, Padding } from '../../../workers/compute/graph/ir.ts';
import { windowGeometry } from '../../../workers/compute/graph/shapes.ts';
import type { NamedTensors } from '../../../workers/protocol/tensor.ts';

/** Everything that the builder can make: strides, paddings, pools, concatenation, residuals, dropout, biases. */
export function smallGraph(embeddingSize = 5): Graph {
  const builder = new GraphBuilder();
  const image = builder.input(3);
  const prelogits = builder.scope('Small', () => {
    let layer = builder.convolution(image, 6, 3, 'Conv2d_1a_3x3', { stride: 2, padding: 'VALID' });
    layer = builder.maxPool(layer, 'MaxPool', { size: 3, stride: 2, padding: 'SAME' });
    const branches = [
      builder.convolution(layer, 3, [1, 3], 'Branch_0'),
      builder.convolution(layer, 4, 1, 'Branch_1', { relu: false }),
      builder.averagePool(layer, 'AvgPool_0', { size: 3, stride: 1, padding: 'SAME' }),
    ];
    const up = builder.convolution(builder.concat(branches), 6, 1, 'Up', {
      normalization: 'bias',
      relu: false,
    });
    layer = builder.relu(builder.residualAdd(layer, up, 0.17));
    const normalized = builder.convolution(layer, 6, 3, 'Scaled', { relu: false });
    layer = builder.scope('Second', () => builder.residualAdd(layer, normalized, 0.5));
    // A batch norm that does not follow a layer, so it cannot be folded.
    layer = builder.scope('Alone', () => builder.batchNorm(builder.relu(layer)));
    // A shortcut with fewer pixels and channels than the layers that it bridges.
    layer = builder.scope('Shortcut', () => {
      const wide = builder.convolution(layer, 9, 3, 'Conv2d_wide', { normalization: 'bias', relu: false });
      const low = builder.averagePool(layer, 'AvgPool_low', { size: 2, stride: 2, padding: 'VALID' });
      return builder.relu(builder.residualAdd(builder.zeroPad(low, wide, 'Pad'), wide, 0.3));
    });
    layer = builder.convolution(layer, 8, 3, 'Conv2d_2', { normalization: 'none', relu: false });
    layer = builder.dropout(builder.globalAveragePool(layer));
    return builder.dense(layer, embeddingSize, 'Bottleneck', 'batch_norm');
  });
  return builder.finish('small', prelogits, 0, 8);
}

/** The same, with a gamma in each batch norm. */
export function withGammas(graph: Graph): Graph {
  return {
    ...graph,
    nodes: graph.nodes.map((node) =>
      node.kind === 'batch_norm' ? { ...node, gamma: `${node.name}/gamma` } : node,
    ),
    parameters: graph.parameters.flatMap((spec) =>
      spec.name.endsWith('/beta')
        ? [spec, { ...spec, name: spec.name.replace(/beta$/, 'gamma'), initializer: 'ones' as const }]
        : [spec],
    ),
  };
}

interface Activation {
  /** [H, W, C], or [1, 1, C] */
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly data: Float64Array;
}

/** Embeddings of one standardised image [size, size, 3], with moving statistics. */
export function referenceEmbedding(
  graph: Graph,
  parameters: NamedTensors,
  image: ArrayLike<number>,
  size: number,
): Float64Array {
  const outputs = new Map<string, Activation>();
  const of = (name: string): Activation => outputs.get(name)!;
  const value = (name: string): Float32Array => parameters.get(name)!.data;
  const map = (
    input: Activation,
    change: (x: number, channel: number, index: number) => number,
  ): Activation => ({
    ...input,
    data: input.data.map((x, index) => change(x, index % input.channels, index)),
  });
  for (const node of graph.nodes) {
    switch (node.kind) {
      case 'input':
        outputs.set(node.name, { height: size, width: size, channels: 3, data: Float64Array.from(image) });
        break;
      case 'conv2d':
        outputs.set(node.name, convolve(of(node.input), value(node.weights), node));
        break;
      case 'dense': {
        const input = of(node.input);
        const weights = value(node.weights);
        const data = new Float64Array(node.units);
        for (let i = 0; i < input.channels; i++)
          for (let o = 0; o < node.units; o++) data[o]! += input.data[i]! * weights[i * node.units + o]!;
        outputs.set(node.name, { height: 1, width: 1, channels: node.units, data });
        break;
      }
      case 'batch_norm': {
        const [mean, variance, beta] = [node.movingMean, node.movingVariance, node.beta].map(value);
        const gamma = node.gamma === undefined ? undefined : value(node.gamma);
        outputs.set(
          node.name,
          map(
            of(node.input),
            (x, c) =>
              ((x - mean![c]!) / Math.sqrt(variance![c]! + node.epsilon)) * (gamma?.[c] ?? 1) + beta![c]!,
          ),
        );
        break;
      }
      case 'relu':
        outputs.set(
          node.name,
          map(of(node.input), (x) => Math.max(x, 0)),
        );
        break;
      case 'max_pool':
      case 'average_pool':
        outputs.set(node.name, pool(of(node.input), node, node.kind === 'max_pool'));
        break;
      case 'concat': {
        const inputs = node.inputs.map(of);
        const channels = inputs.reduce((sum, input) => sum + input.channels, 0);
        const { height, width } = inputs[0]!;
        const data: number[] = [];
        for (let at = 0; at < height * width; at++)
          for (const input of inputs)
            data.push(...input.data.subarray(at * input.channels, (at + 1) * input.channels));
        outputs.set(node.name, { height, width, channels, data: Float64Array.from(data) });
        break;
      }
      case 'residual_add': {
        const residual = of(node.residual);
        outputs.set(
          node.name,
          map(of(node.input), (x, _, i) => x + node.scale * residual.data[i]!),
        );
        break;
      }
      case 'zero_pad': {
        const [input, like] = [of(node.input), of(node.like)];
        const height = Math.max(input.height, like.height);
        const width = Math.max(input.width, like.width);
        const channels = Math.max(input.channels, like.channels);
        const data = new Float64Array(height * width * channels);
        input.data.forEach((x, at) => {
          const [row, c] = [Math.floor(at / input.channels), at % input.channels];
          data[(Math.floor(row / input.width) * width + (row % input.width)) * channels + c] = x;
        });
        outputs.set(node.name, { height, width, channels, data });
        break;
      }
      case 'global_average_pool': {
        const input = of(node.input);
        const data = new Float64Array(input.channels);
        for (const [i, x] of input.data.entries())
          data[i % input.channels]! += x / (input.height * input.width);
        outputs.set(node.name, { height: 1, width: 1, channels: input.channels, data });
        break;
      }
      case 'dropout':
        outputs.set(node.name, of(node.input));
        break;
      case 'l2_normalize': {
        const input = of(node.input);
        const squares = input.data.reduce((sum, x) => sum + x * x, 0);
        outputs.set(
          node.name,
          map(input, (x) => x / Math.sqrt(Math.max(squares, node.epsilon))),
        );
      }
    }
    const last = outputs.get(node.name)!;
    if ('biases' in node && node.biases !== undefined) {
      const biases = value(node.biases);
      outputs.set(
        node.name,
        map(last, (x, c) => x + biases[c]!),
      );
    }
  }
  return of(graph.outputs.embeddings).data;
}

interface Window {
  readonly stride: number;
  readonly padding: Padding;
}

interface WindowedShape {
  readonly height: number;
  readonly width: number;
  /** For each output position, calls `visit` for each kernel position inside the image. */
  readonly slide: (visit: (outputAt: number, inputAt: number, kernelAt: number) => void) => void;
}

function windowed(
  input: Activation,
  [kernelHeight, kernelWidth]: readonly [number, number],
  { stride, padding }: Window,
): WindowedShape {
  const vertical = windowGeometry(input.height, kernelHeight, stride, padding);
  const horizontal = windowGeometry(input.width, kernelWidth, stride, padding);
  return {
    height: vertical.length,
    width: horizontal.length,
    slide: (visit) => {
      for (let y = 0; y < vertical.length; y++)
        for (let x = 0; x < horizontal.length; x++)
          for (let ky = 0; ky < kernelHeight; ky++)
            for (let kx = 0; kx < kernelWidth; kx++) {
              const row = y * stride + ky - vertical.before;
              const column = x * stride + kx - horizontal.before;
              if (row >= 0 && row < input.height && column >= 0 && column < input.width)
                visit(y * horizontal.length + x, row * input.width + column, ky * kernelWidth + kx);
            }
    },
  };
}

function convolve(
  input: Activation,
  weights: Float32Array,
  node: Window & { readonly kernel: readonly [number, number]; readonly filters: number },
): Activation {
  const { filters } = node;
  const { channels, data } = input;
  const { height, width, slide } = windowed(input, node.kernel, node);
  const sums = new Float64Array(height * width * filters);
  slide((outputAt, inputAt, kernelAt) => {
    const sumsAt = outputAt * filters;
    for (let c = 0; c < channels; c++) {
      const value = data[inputAt * channels + c]!;
      const weightsAt = (kernelAt * channels + c) * filters;
      for (let f = 0; f < filters; f++) sums[sumsAt + f]! += value * weights[weightsAt + f]!;
    }
  });
  return { height, width, channels: filters, data: sums };
}

function pool(input: Activation, node: Window & { readonly size: number }, isMaximum: boolean): Activation {
  const { channels, data } = input;
  const { height, width, slide } = windowed(input, [node.size, node.size], node);
  const values = new Float64Array(height * width * channels).fill(isMaximum ? -Infinity : 0);
  const counts = new Uint32Array(height * width);
  slide((outputAt, inputAt) => {
    counts[outputAt]!++;
    for (let c = 0; c < channels; c++) {
      const value = data[inputAt * channels + c]!;
      const at = outputAt * channels + c;
      values[at] = isMaximum ? Math.max(values[at]!, value) : values[at]! + value;
    }
  });
  return {
    ...{ height, width, channels },
    data: isMaximum ? values : values.map((sum, at) => sum / counts[Math.floor(at / channels)]!),
  };
}
