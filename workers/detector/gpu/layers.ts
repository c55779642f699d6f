/**
 * The layers of the three networks (see detector/networks.ts), and one buffer with their weights for convolution.ts.
 */
import { layerValues } from '../weight_values.ts';
import type { MtcnnWeights } from '../weights.ts';

export interface ConvolutionLayer {
  readonly name: string;
  /** Side of the square window; 1 for dense layers, whose pixels are the crops. */
  readonly size: number;
  readonly channels: number;
  readonly filters: number;
  readonly hasPrelu: boolean;
  /**
   * Neighbouring pixels, and vectors of four filters, per thread. The layer's number of vectors is a multiple of the
   * latter.
   */
  readonly tile: readonly [pixels: number, vectors: number];
}

interface NamedLayer extends Omit<ConvolutionLayer, 'filters' | 'hasPrelu'> {
  readonly prelu?: string;
  /** Parallel layers, whose outputs follow each other in each pixel. */
  readonly heads?: readonly string[];
}

const LAYERS = {
  pnet1: { name: 'pnet/conv1', size: 3, channels: 3, tile: [4, 3], prelu: 'pnet/prelu1_alpha' },
  pnet2: { name: 'pnet/conv2', size: 3, channels: 10, tile: [4, 2], prelu: 'pnet/prelu2_alpha' },
  pnet3: { name: 'pnet/conv3', size: 3, channels: 16, tile: [4, 2], prelu: 'pnet/prelu3_alpha' },
  pnet4: { name: 'pnet/conv4', size: 1, channels: 32, tile: [4, 2], heads: ['_1', '_2'] },
  rnet1: { name: 'rnet/conv1', size: 3, channels: 3, tile: [2, 7], prelu: 'rnet/prelu1_alpha' },
  rnet2: { name: 'rnet/conv2', size: 3, channels: 28, tile: [9, 2], prelu: 'rnet/prelu2_alpha' },
  rnet3: { name: 'rnet/conv3', size: 2, channels: 48, tile: [3, 2], prelu: 'rnet/prelu3_alpha' },
  rnet4: { name: 'rnet/fc1', size: 1, channels: 576, tile: [4, 2], prelu: 'rnet/prelu4_alpha' },
  rnet5: { name: 'rnet/fc2', size: 1, channels: 128, tile: [4, 2], heads: ['_1', '_2'] },
  onet1: { name: 'onet/conv1', size: 3, channels: 3, tile: [4, 2], prelu: 'onet/prelu1_alpha' },
  onet2: { name: 'onet/conv2', size: 3, channels: 32, tile: [7, 2], prelu: 'onet/prelu2_alpha' },
  onet3: { name: 'onet/conv3', size: 3, channels: 64, tile: [8, 2], prelu: 'onet/prelu3_alpha' },
  onet4: { name: 'onet/conv4', size: 2, channels: 64, tile: [3, 2], prelu: 'onet/prelu4_alpha' },
  onet5: { name: 'onet/fc1', size: 1, channels: 1152, tile: [4, 2], prelu: 'onet/prelu5_alpha' },
  onet6: { name: 'onet/fc2', size: 1, channels: 256, tile: [4, 2], heads: ['_1', '_2', '_3'] },
} as const satisfies Record<string, NamedLayer>;

export type LayerName = keyof typeof LAYERS;

export const LAYER_NAMES = Object.keys(LAYERS) as readonly LayerName[];

/** A layer and the index of its first weight vector. */
export interface PlacedLayer extends ConvolutionLayer {
  readonly at: number;
}

export interface PackedLayers {
  readonly values: Float32Array<ArrayBuffer>;
  readonly layers: Readonly<Record<LayerName, PlacedLayer>>;
}

/** Number of vectors of four for `channels` channels. */
export function vectorsOf(channels: number): number {
  return Math.ceil(channels / 4);
}

export function packLayers(weights: MtcnnWeights): PackedLayers {
  const packed = LAYER_NAMES.map((name) => {
    const layer: NamedLayer = LAYERS[name];
    const { all, bias, slopes } = layerValues(weights, layer);
    const convolution: ConvolutionLayer = {
      name: layer.name,
      size: layer.size,
      channels: layer.channels,
      filters: bias.length,
      hasPrelu: slopes !== undefined,
      tile: layer.tile,
    };
    return { name, convolution, values: packConvolution(convolution, all, bias, slopes) };
  });
  const values = new Float32Array(packed.reduce((sum, part) => sum + part.values.length, 0));
  const layers: Partial<Record<LayerName, PlacedLayer>> = {};
  let at = 0;
  for (const part of packed) {
    values.set(part.values, at);
    layers[part.name] = { ...part.convolution, at: at / 4 };
    at += part.values.length;
  }
  return { values, layers: layers as Record<LayerName, PlacedLayer> };
}

/**
 * Packs weights in the order in which a thread reads them: [row, channel, column, filters], then biases and slopes.
 * Filters are in vectors of four; the last one is padded with zeros.
 * @param weights [row, column, channel, filters]
 */
export function packConvolution(
  { size, channels, filters }: ConvolutionLayer,
  weights: Float32Array,
  bias: Float32Array,
  slopes: Float32Array | undefined,
): Float32Array<ArrayBuffer> {
  const width = 4 * vectorsOf(filters);
  const values = new Float32Array((size * size * channels + (slopes ? 2 : 1)) * width);
  let at = 0;
  for (let row = 0; row < size; row++)
    for (let channel = 0; channel < channels; channel++)
      for (let column = 0; column < size; column++, at += width) {
        const from = ((row * size + column) * channels + channel) * filters;
        values.set(weights.subarray(from, from + filters), at);
      }
  values.set(bias, at);
  if (slopes) values.set(slopes, at + width);
  return values;
}
