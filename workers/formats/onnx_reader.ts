/**
 * Reads the weights (initializers) of an ONNX file by name, and its metadata. Nodes are not executed.
 *
 * Bounds. Time is linear in the file, within a budget of fields (see protobuf_reader.ts). All weights together, as
 * float32, take at most twice the size of the file. Reading can be cancelled between two fields of the graph.
 */
import { elementCount } from '../protocol/tensor.ts';
import { type HostTensor } from '../protocol/tensor.ts';
import { NUMBER_FORMATS } from './float_formats.ts';
import { LongWork } from '../common/long_work.ts';
import { FLOAT16_SUFFIX, ONNX_FLOAT, ONNX_FLOAT16 } from './onnx_constants.ts';
import {
  bytesOfField,
  FieldBudget,
  integersOf,
  protobufFields,
  ProtobufError,
  sizeOf,
  textOf,
} from './protobuf_reader.ts';
import { quoted } from '../protocol/quoted.ts';

export class OnnxError extends Error {
  override name = 'OnnxError';
  constructor(file: string, problem: string) {
    super(
      `${file} cannot be read as an ONNX model: ${problem}. It may be cut off or damaged. Export it again.`,
    );
  }
}

/**
 * Reads float tensors stored as raw data, as this program writes them. A float16 tensor gets the name of its float32
 * value.
 * @throws OnnxError, and the signal's reason
 */
export async function readOnnxWeights(
  bytes: Uint8Array,
  file: string,
  signal?: AbortSignal,
): Promise<Map<string, HostTensor>> {
  const work = new LongWork(signal);
  try {
    const weights = new Map<string, HostTensor>();
    const budget = new FieldBudget();
    for (const field of protobufFields(bytes, budget)) {
      await work.pause();
      if (field.number !== 7) continue;
      for (const part of protobufFields(bytesOfField(field), budget)) {
        await work.pause();
        if (part.number !== 5) continue;
        const tensor = readTensor(bytesOfField(part), budget);
        if (!tensor) continue;
        const name = tensor.name.replace(FLOAT16_SUFFIX, '');
        if (weights.has(name)) throw new ProtobufError(`it has the tensor ${quoted(name)} twice`);
        weights.set(name, tensor.value);
      }
    }
    return weights;
  } catch (error) {
    throw error instanceof ProtobufError ? new OnnxError(file, error.message) : error;
  }
}

/** Reads `metadata_props`, which are not part of the computation. @throws OnnxError, and the signal's reason */
export async function readOnnxMetadata(
  bytes: Uint8Array,
  file: string,
  signal?: AbortSignal,
): Promise<Map<string, string>> {
  const work = new LongWork(signal);
  try {
    const texts = new Map<string, string>();
    const budget = new FieldBudget();
    for (const field of protobufFields(bytes, budget)) {
      await work.pause();
      if (field.number !== 14) continue;
      let key = '';
      let value = '';
      for (const part of protobufFields(bytesOfField(field), budget)) {
        if (part.number === 1) key = textOf(part);
        else if (part.number === 2) value = textOf(part);
      }
      if (texts.has(key)) throw new ProtobufError(`its metadata has ${quoted(key)} twice`);
      texts.set(key, value);
    }
    return texts;
  } catch (error) {
    throw error instanceof ProtobufError ? new OnnxError(file, error.message) : error;
  }
}

const MAXIMUM_AXES = 8;

function readTensor(
  message: Uint8Array,
  budget: FieldBudget,
): { name: string; value: HostTensor } | undefined {
  const shape: number[] = [];
  let dataType = 0;
  let name = '';
  let raw: Uint8Array | undefined;
  for (const field of protobufFields(message, budget)) {
    if (field.number === 1) {
      for (const size of integersOf(field, MAXIMUM_AXES)) shape.push(Number(size));
      if (shape.length > MAXIMUM_AXES) throw new ProtobufError('a tensor has too many axes');
    } else if (field.number === 2) dataType = sizeOf(field);
    else if (field.number === 8) name = textOf(field);
    else if (field.number === 9) raw = bytesOfField(field);
  }
  const dtype = dataType === ONNX_FLOAT ? 'F32' : dataType === ONNX_FLOAT16 ? 'F16' : undefined;
  const format = dtype && NUMBER_FORMATS.get(dtype);
  if (!format?.toFloat32) return undefined;
  if (raw?.length !== elementCount(shape) * format.bytes)
    throw new ProtobufError(`the tensor ${quoted(name)} does not fit its shape`);
  return { name, value: { shape, data: format.toFloat32(raw.slice().buffer as ArrayBuffer) } };
}
