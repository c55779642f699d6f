/**
 * P-Net, R-Net and O-Net on the CPU, in WebAssembly kernels (see kernels.ts). The layers are those of networks.ts. A
 * level of a photo goes through P-Net in bands of columns, so that the values between the layers stay in the cache.
 */
import { BusyClock } from '../../common/busy_clock.ts';
import type { BackendMemory } from '../../protocol/device.ts';
import { KernelMemory } from '../../webassembly/memory.ts';
import { ModuleWriter } from '../../webassembly/module.ts';
import {
  faceProbabilities,
  O_NET_SIZE,
  R_NET_SIZE,
  type Networks,
  type ONetOutput,
  type PNetOutput,
  type RNetOutput,
} from '../network_outputs.ts';
import { layerValues } from '../weight_values.ts';
import type { MtcnnWeights } from '../weights.ts';
import {
  addConvolution,
  addMaxPool,
  packWeights,
  vectorsOf,
  type Convolution,
  type ConvolutionLayer,
  type Pool,
} from './kernels.ts';
import {
  addWinograd,
  packWinogradWeights,
  winograd,
  winogradScratchBytes,
  type WinogradFunctions,
  type WinogradLayer,
} from './winograd.ts';

interface NetworkLayer {
  readonly name: string;
  /** Side of the square window; 1 for dense layers, whose pixels are the crops. */
  readonly size: number;
  readonly channels: number;
  readonly tile: readonly [pixels: number, vectors: number];
  readonly prelu?: string;
  /** Computed with Winograd's method, if the image is large enough for it. */
  readonly winograd?: true;
  /** Parallel layers, whose outputs follow each other in each pixel. Their last vector is padded with zeros. */
  readonly heads?: readonly string[];
}

const LAYERS = {
  pnet1: { name: 'pnet/conv1', size: 3, channels: 3, tile: [3, 3], prelu: 'pnet/prelu1_alpha' },
  pnet2: { name: 'pnet/conv2', size: 3, channels: 10, tile: [4, 2], prelu: 'pnet/prelu2_alpha' },
  pnet3: {
    name: 'pnet/conv3',
    size: 3,
    channels: 16,
    tile: [3, 3],
    prelu: 'pnet/prelu3_alpha',
    winograd: true,
  },
  pnet4: { name: 'pnet/conv4', size: 1, channels: 32, tile: [4, 2], heads: ['_1', '_2'] },
  rnet1: { name: 'rnet/conv1', size: 3, channels: 3, tile: [2, 4], prelu: 'rnet/prelu1_alpha' },
  rnet2: {
    name: 'rnet/conv2',
    size: 3,
    channels: 28,
    tile: [3, 3],
    prelu: 'rnet/prelu2_alpha',
    winograd: true,
  },
  rnet3: { name: 'rnet/conv3', size: 2, channels: 48, tile: [3, 3], prelu: 'rnet/prelu3_alpha' },
  rnet4: { name: 'rnet/fc1', size: 1, channels: 576, tile: [3, 3], prelu: 'rnet/prelu4_alpha' },
  rnet5: { name: 'rnet/fc2', size: 1, channels: 128, tile: [3, 3], heads: ['_1', '_2'] },
  onet1: { name: 'onet/conv1', size: 3, channels: 3, tile: [2, 4], prelu: 'onet/prelu1_alpha' },
  onet2: {
    name: 'onet/conv2',
    size: 3,
    channels: 32,
    tile: [3, 3],
    prelu: 'onet/prelu2_alpha',
    winograd: true,
  },
  onet3: {
    name: 'onet/conv3',
    size: 3,
    channels: 64,
    tile: [3, 3],
    prelu: 'onet/prelu3_alpha',
    winograd: true,
  },
  onet4: { name: 'onet/conv4', size: 2, channels: 64, tile: [3, 3], prelu: 'onet/prelu4_alpha' },
  onet5: { name: 'onet/fc1', size: 1, channels: 1152, tile: [3, 3], prelu: 'onet/prelu5_alpha' },
  onet6: { name: 'onet/fc2', size: 1, channels: 256, tile: [3, 3], heads: ['_1', '_2', '_3'] },
} as const satisfies Record<string, NetworkLayer>;

type LayerName = keyof typeof LAYERS;

const FLOAT_BYTES = 4;
/** The last vectors of an image, and the last windows of a pool, reach beyond the image by less than this. */
const SLACK_BYTES = 64;
/** The approximate size of the output of P-Net's first layer for one band. */
const BAND_BYTES = 300_000;
const SMALLEST_BAND = 16;

const REGRESSIONS = 4;
const LANDMARKS = 10;

interface ReadyLayer {
  readonly run: Convolution;
  readonly weights: number;
  /** Floats per pixel in the input (`outputChannels`: in the output). */
  readonly channels: number;
  readonly outputChannels: number;
  readonly winograd?: ReadyWinograd | undefined;
}

interface ReadyWinograd {
  readonly layer: WinogradLayer;
  readonly functions: WinogradFunctions;
  readonly weights: number;
  readonly scratch: number;
}

interface Pools {
  readonly pnetPool: Pool;
  readonly rnetPool1: Pool;
  readonly rnetPool2: Pool;
  readonly onetPool1: Pool;
  readonly onetPool2: Pool;
  readonly onetPool3: Pool;
}

export class SimdNetworks implements Networks {
  readonly clock = new BusyClock();
  readonly #memory = new KernelMemory();
  readonly #layers: Readonly<Record<LayerName, ReadyLayer>>;
  readonly #pools: Pools;
  /** The address after the weights. */
  readonly #scratch: number;

  constructor(weights: MtcnnWeights) {
    const module = new ModuleWriter();
    const packed: {
      name: LayerName;
      values: Float32Array;
      channels: number;
      outputChannels: number;
      winograd: { layer: WinogradLayer; values: Float32Array } | undefined;
    }[] = [];
    for (const name of Object.keys(LAYERS) as LayerName[]) {
      const layer: NetworkLayer = LAYERS[name];
      const { all, bias, slopes } = layerValues(weights, layer);
      const convolution: ConvolutionLayer = {
        size: layer.size,
        channels: layer.channels,
        filters: bias.length,
        hasPrelu: slopes !== undefined,
        tile: layer.tile,
      };
      const outputChannels = layer.heads ? 4 * vectorsOf(bias.length) : bias.length;
      addConvolution(module, name, convolution, outputChannels * FLOAT_BYTES);
      if (layer.winograd) addWinograd(module, name, convolution);
      packed.push({
        name,
        values: packWeights(convolution, all, bias, slopes),
        channels: layer.channels,
        outputChannels,
        winograd: layer.winograd && {
          layer: convolution,
          values: packWinogradWeights(convolution, all, bias, slopes!),
        },
      });
    }
    addMaxPool(module, 'pnetPool', { size: 2, channels: 10 });
    addMaxPool(module, 'rnetPool1', { size: 3, channels: 28 });
    addMaxPool(module, 'rnetPool2', { size: 3, channels: 48 });
    addMaxPool(module, 'onetPool1', { size: 3, channels: 32 });
    addMaxPool(module, 'onetPool2', { size: 3, channels: 64 });
    addMaxPool(module, 'onetPool3', { size: 2, channels: 64 });
    const functions = this.#memory.instantiate(module.bytes());
    let address = 0;
    const place = (values: Float32Array): number => {
      const at = address;
      address += values.length * FLOAT_BYTES;
      this.#memory.reserve(address);
      this.#memory.write(at, values);
      return at;
    };
    // The layers share the scratch memory, one after the other.
    const scratch = 0;
    address = Math.max(...packed.map((one) => (one.winograd ? winogradScratchBytes(one.winograd.layer) : 0)));
    this.#layers = Object.fromEntries(
      packed.map(({ name, values, channels, outputChannels, winograd: other }): [string, ReadyLayer] => [
        name,
        {
          run: functions[name] as Convolution,
          weights: place(values),
          channels,
          outputChannels,
          winograd: other && {
            layer: other.layer,
            functions: {
              planes: functions[`${name}Planes`] as WinogradFunctions['planes'],
              products: functions[`${name}Products`] as Convolution,
              pixels: functions[`${name}Pixels`] as WinogradFunctions['pixels'],
            },
            weights: place(other.values),
            scratch,
          },
        },
      ]),
    ) as Record<LayerName, ReadyLayer>;
    this.#pools = functions as unknown as Pools;
    this.#scratch = address;
  }

  async proposals(images: readonly Float32Array[], width: number, height: number): Promise<PNetOutput[]> {
    return images.map((image) => this.#proposals(image, width, height));
  }

  #proposals(image: Float32Array, width: number, height: number): PNetOutput {
    const [outWidth, outHeight] = [cellsAlong(width), cellsAlong(height)];
    const logits = new Float32Array(outWidth * outHeight * 2);
    const regressions = new Float32Array(outWidth * outHeight * REGRESSIONS);
    const columnBytes = (height - 2) * 10 * FLOAT_BYTES;
    const band = Math.max(SMALLEST_BAND, Math.floor((BAND_BYTES / columnBytes - 8) / 2));
    for (let from = 0; from < outWidth; from += band) {
      const to = Math.min(from + band, outWidth);
      const begin = 2 * from;
      const end = Math.min(2 * (to + 4) + 2, width);
      const heads = this.#proposeInBand(
        image.subarray(begin * height * 3, end * height * 3),
        end - begin,
        height,
      );
      for (let cell = 0, at = from * outHeight; at < to * outHeight; cell += 8, at++) {
        logits[2 * at] = heads[cell]!;
        logits[2 * at + 1] = heads[cell + 1]!;
        for (let index = 0; index < REGRESSIONS; index++)
          regressions[REGRESSIONS * at + index] = heads[cell + 2 + index]!;
      }
    }
    return { scores: faceProbabilities(logits), regressions, width: outWidth, height: outHeight };
  }

  /** @returns [width, height, 8]: two logits, four regressions, two unused values */
  #proposeInBand(values: Float32Array, width: number, height: number): Float32Array {
    const { pnet1, pnet2, pnet3, pnet4 } = this.#layers;
    const [pooledWidth, pooledHeight] = [Math.ceil((width - 2) / 2), Math.ceil((height - 2) / 2)];
    const [cellsWide, cellsHigh] = [pooledWidth - 4, pooledHeight - 4];
    const [input, first, second] = this.#places(
      values.length,
      Math.max((width - 2) * (height - 2) * 10, pooledWidth * pooledHeight * 16),
      pooledWidth * pooledHeight * 32,
    );
    this.#memory.write(input, values);
    convolve(pnet1, 3, input, first, width, height);
    this.#pools.pnetPool(first, second, width - 2, height - 2, pooledWidth, pooledHeight);
    convolve(pnet2, 3, second, first, pooledWidth, pooledHeight);
    convolve(pnet3, 3, first, second, pooledWidth - 2, pooledHeight - 2);
    convolve(pnet4, 1, second, first, cellsWide, cellsHigh);
    const at = first / FLOAT_BYTES;
    return this.#memory.floats.subarray(at, at + cellsWide * cellsHigh * pnet4.outputChannels);
  }

  async refine(values: Float32Array, count: number): Promise<RNetOutput> {
    const { rnet1, rnet2, rnet3, rnet4, rnet5 } = this.#layers;
    const { rnetPool1, rnetPool2 } = this.#pools;
    const [input, first, second, features, dense, heads] = this.#places(
      values.length,
      22 * 22 * 28,
      11 * 11 * 28,
      count * rnet4.channels,
      count * rnet5.channels,
      count * rnet5.outputChannels,
    );
    this.#memory.write(input, values);
    for (let crop = 0; crop < count; crop++) {
      convolve(rnet1, 3, input + crop * 24 * 24 * 3 * FLOAT_BYTES, first, R_NET_SIZE, R_NET_SIZE);
      rnetPool1(first, second, 22, 22, 11, 11);
      convolve(rnet2, 3, second, first, 11, 11);
      rnetPool2(first, second, 9, 9, 4, 4);
      convolve(rnet3, 2, second, features + crop * rnet4.channels * FLOAT_BYTES, 4, 4);
    }
    convolve(rnet4, 1, features, dense, 1, count);
    convolve(rnet5, 1, dense, heads, 1, count);
    return this.#readHeads(heads, count, rnet5.outputChannels);
  }

  async output(values: Float32Array, count: number): Promise<ONetOutput> {
    const { onet1, onet2, onet3, onet4, onet5, onet6 } = this.#layers;
    const { onetPool1, onetPool2, onetPool3 } = this.#pools;
    const [input, first, second, features, dense, heads] = this.#places(
      values.length,
      46 * 46 * 32,
      23 * 23 * 32,
      count * onet5.channels,
      count * onet6.channels,
      count * onet6.outputChannels,
    );
    this.#memory.write(input, values);
    for (let crop = 0; crop < count; crop++) {
      convolve(onet1, 3, input + crop * 48 * 48 * 3 * FLOAT_BYTES, first, O_NET_SIZE, O_NET_SIZE);
      onetPool1(first, second, 46, 46, 23, 23);
      convolve(onet2, 3, second, first, 23, 23);
      onetPool2(first, second, 21, 21, 10, 10);
      convolve(onet3, 3, second, first, 10, 10);
      onetPool3(first, second, 8, 8, 4, 4);
      convolve(onet4, 2, second, features + crop * onet5.channels * FLOAT_BYTES, 4, 4);
    }
    convolve(onet5, 1, features, dense, 1, count);
    convolve(onet6, 1, dense, heads, 1, count);
    return this.#readHeads(heads, count, onet6.outputChannels);
  }

  #readHeads(heads: number, count: number, channels: number): ONetOutput {
    const { floats } = this.#memory;
    const logits = new Float32Array(count * 2);
    const regressions = new Float32Array(count * REGRESSIONS);
    const landmarks = new Float32Array(count * LANDMARKS);
    for (let crop = 0; crop < count; crop++) {
      const at = heads / FLOAT_BYTES + crop * channels;
      logits.set(floats.subarray(at, at + 2), crop * 2);
      regressions.set(floats.subarray(at + 2, at + 6), crop * REGRESSIONS);
      if (channels >= 16) landmarks.set(floats.subarray(at + 6, at + 16), crop * LANDMARKS);
    }
    return { scores: faceProbabilities(logits), regressions, landmarks };
  }

  /** Reserves memory after the weights. @returns one address per requested number of floats */
  #places<const Lengths extends readonly number[]>(
    ...lengths: Lengths
  ): { [Index in keyof Lengths]: number } {
    let address = this.#scratch;
    const addresses = lengths.map((length) => {
      const at = address;
      address += Math.ceil((length * FLOAT_BYTES + SLACK_BYTES) / 16) * 16;
      return at;
    });
    this.#memory.reserve(address);
    return addresses as { [Index in keyof Lengths]: number };
  }

  memory(): BackendMemory {
    return { usedBytes: this.#memory.bytes, allocatedBytes: this.#memory.bytes };
  }

  dispose(): void {
    // The memory is freed with this object.
  }
}

/** @param rows rows of the input (`columns`: columns of the input) */
function convolve(
  { run, weights, channels, winograd: other }: ReadyLayer,
  size: number,
  input: number,
  output: number,
  rows: number,
  columns: number,
): void {
  if (other && Math.min(rows, columns) >= 4)
    return winograd(other.functions, other.layer, other.weights, other.scratch, input, output, rows, columns);
  run(input, output, weights, rows - size + 1, columns - size + 1, columns * channels * FLOAT_BYTES);
}

/** Number of P-Net's cells along a side of `pixels` pixels. */
function cellsAlong(pixels: number): number {
  return Math.ceil((pixels - 2) / 2) - 4;
}
