/** R-Net and O-Net over crops of some photos: records their dispatches and reads their outputs. */
import { faceProbabilities, O_NET_SIZE, R_NET_SIZE, type ONetOutput } from '../network_outputs.ts';
import type { AxisWeightsList } from './axis_weights.ts';
import { cropTable, type PhotoBox } from './crop_resize.ts';
import { LayerChain, VECTOR_BYTES } from './layer_chain.ts';
import type { PackedLayers } from './layers.ts';
import type { Recording } from './recording.ts';

export interface CropNetwork {
  /** Width and height of a crop, pixels. */
  readonly size: number;
  /** Crops per batch. The values between the layers take 19 MB. */
  readonly batch: number;
  /** Vectors of four per crop in the output. */
  readonly vectors: number;
  readonly hasLandmarks: boolean;
  /** @param outAt where the outputs are written, in vectors */
  record(chain: LayerChain, outAt: number): void;
}

export const R_NET: CropNetwork = {
  size: R_NET_SIZE,
  batch: 350,
  vectors: 2,
  hasLandmarks: false,
  record: (chain, outAt) =>
    chain
      .convolve('rnet1')
      .pool({ size: 3, padding: 'SAME' })
      .convolve('rnet2')
      .pool({ size: 3, padding: 'VALID' })
      .convolve('rnet3')
      .flatten()
      .convolve('rnet4')
      .finish('rnet5', [outAt]),
};

export const O_NET: CropNetwork = {
  size: O_NET_SIZE,
  batch: 70,
  vectors: 4,
  hasLandmarks: true,
  record: (chain, outAt) =>
    chain
      .convolve('onet1')
      .pool({ size: 3, padding: 'SAME' })
      .convolve('onet2')
      .pool({ size: 3, padding: 'VALID' })
      .convolve('onet3')
      .pool({ size: 2, padding: 'SAME' })
      .convolve('onet4')
      .flatten()
      .convolve('onet5')
      .finish('onet6', [outAt]),
};

/** @returns the size of the outputs in the arena `heads`, bytes */
export function recordCrops(
  recording: Recording,
  layers: PackedLayers['layers'],
  { size, batch, vectors, record }: CropNetwork,
  boxes: readonly PhotoBox[],
  axes: AxisWeightsList,
): number {
  const bytes = boxes.length * vectors * VECTOR_BYTES;
  recording.reserve('heads', bytes);
  for (let from = 0; from < boxes.length; from += batch) {
    const part = boxes.slice(from, from + batch);
    recording.add({
      ...({ kernel: 'crop', table: cropTable(part, size, axes), depth: 1 } as const),
      ...({ constants: 'axes', source: 'photos', target: 'even' } as const),
      operations: part.reduce((sum, { box }) => sum + 12 * (box.x2 - box.x1) * (box.y2 - box.y1), 0),
    });
    const shape = { images: part.length, rows: size, columns: size };
    record(new LayerChain(recording, layers, [shape]), from * vectors);
  }
  return bytes;
}

/** @param values [crops, vectors of four]: two logits, four regressions, ten landmarks */
export function readOutputs({ vectors, hasLandmarks }: CropNetwork, values: Float32Array): ONetOutput {
  const count = values.length / (4 * vectors);
  const logits = new Float32Array(count * 2);
  const regressions = new Float32Array(count * 4);
  const landmarks = new Float32Array(hasLandmarks ? count * 10 : 0);
  for (let crop = 0; crop < count; crop++) {
    const at = crop * vectors * 4;
    logits.set(values.subarray(at, at + 2), crop * 2);
    regressions.set(values.subarray(at + 2, at + 6), crop * 4);
    if (hasLandmarks) landmarks.set(values.subarray(at + 6, at + 16), crop * 10);
  }
  return { scores: faceProbabilities(logits), regressions, landmarks };
}
