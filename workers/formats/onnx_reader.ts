/** The weights of an ONNX file by name, its initializers, and its metadata. The nodes are not run here. */
import { elementCount, type HostTensor } from '../graph/tensor.ts';
import { NUMBER_FORMATS } from './float_formats.ts';
import { FLOAT16_SUFFIX, ONNX_FLOAT, ONNX_FLOAT16 } from './onnx_model.ts';
import {
  bytesOfField,
  integersOf,
  protobufFields,
  ProtobufError,
  sizeOf,
  textOf,
} from './protobuf_reader.ts';

export class OnnxError extends Error {
  override name = 'OnnxError';
  constructor(file: string, problem: string) {
    super(
      `${file} cannot be read as an ONNX model: ${problem}. It may be cut off or damaged; export it again.`,
    );
  }
}

/**
 * Float tensors stored as raw data, as this program writes them; a float16 one has the name of its float32 value.
 * @throws OnnxError
 */
export function readOnnxWeights(bytes: Uint8Array, file: string): Map<string, HostTensor> {
  try {
    const weights = new Map<string, HostTensor>();
    for (const field of protobufFields(bytes)) {
      if (field.number !== 7) continue;
      for (const part of protobufFields(bytesOfField(field))) {
        if (part.number !== 5) continue;
        const tensor = readTensor(bytesOfField(part));
        if (!tensor) continue;
        const name = tensor.name.replace(FLOAT16_SUFFIX, '');
        if (weights.has(name)) throw new ProtobufError(`it has the tensor "${name.slice(0, 80)}" twice`);
        weights.set(name, tensor.value);
      }
    }
    return weights;
  } catch (error) {
    throw error instanceof ProtobufError ? new OnnxError(file, error.message) : error;
  }
}

/** Texts that are no part of the computation: `metadata_props`. @throws OnnxError */
export function readOnnxMetadata(bytes: Uint8Array, file: string): Map<string, string> {
  try {
    const texts = new Map<string, string>();
    for (const field of protobufFields(bytes)) {
      if (field.number !== 14) continue;
      let key = '';
      let value = '';
      for (const part of protobufFields(bytesOfField(field))) {
        if (part.number === 1) key = textOf(part);
        else if (part.number === 2) value = textOf(part);
      }
      if (texts.has(key)) throw new ProtobufError(`its metadata has "${key.slice(0, 80)}" twice`);
      texts.set(key, value);
    }
    return texts;
  } catch (error) {
    throw error instanceof ProtobufError ? new OnnxError(file, error.message) : error;
  }
}

function readTensor(message: Uint8Array): { name: string; value: HostTensor } | undefined {
  const shape: number[] = [];
  let dataType = 0;
  let name = '';
  let raw: Uint8Array | undefined;
  for (const field of protobufFields(message)) {
    if (field.number === 1) shape.push(...integersOf(field).map(Number));
    else if (field.number === 2) dataType = sizeOf(field);
    else if (field.number === 8) name = textOf(field);
    else if (field.number === 9) raw = bytesOfField(field);
  }
  const dtype = dataType === ONNX_FLOAT ? 'F32' : dataType === ONNX_FLOAT16 ? 'F16' : undefined;
  const format = dtype && NUMBER_FORMATS.get(dtype);
  if (!format?.toFloat32) return undefined;
  if (raw?.length !== elementCount(shape) * format.bytes)
    throw new ProtobufError(`the tensor "${name.slice(0, 80)}" does not fit its shape`);
  return { name, value: { shape, data: format.toFloat32(raw.slice().buffer as ArrayBuffer) } };
}
