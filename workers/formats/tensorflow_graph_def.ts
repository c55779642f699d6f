/**
 * The constants of a frozen TensorFlow graph (.pb): a GraphDef whose variables have become Const nodes.
 * tensorflow/core/framework/graph.proto, node_def.proto, attr_value.proto, tensor.proto
 *
 * The file is read as a whole, and the values are views of it. Nothing is executed.
 *
 * Bounds. Time is linear in the file, within a budget of fields (see protobuf_reader.ts). Memory is the size of the
 * file, and twice that for reading constants. Single values that stand for whole tensors expand to at most a million
 * values in total. Opening can be cancelled between two nodes, reading between two constants.
 */
import { elementCount } from '../protocol/tensor.ts';
import { type HostTensor } from '../protocol/tensor.ts';
import { NUMBER_FORMATS } from './float_formats.ts';
import { LongWork } from '../common/long_work.ts';
import {
  bytesOfField,
  FieldBudget,
  protobufFields,
  ProtobufError,
  sizeOf,
  textOf,
} from './protobuf_reader.ts';
import { readTensorShape, TENSORFLOW_FORMATS } from './tensorflow_types.ts';
import { quoted } from '../protocol/quoted.ts';

/** The original's frozen model has 95 MB. */
const MAXIMUM_FILE_BYTES = 1024 * 1024 * 1024;
const MAXIMUM_NODES = 100_000;
/** The most values in all tensors that are stored as a single value, such as zero biases. */
const MAXIMUM_REPEATED = 1_000_000;

export class GraphDefError extends Error {
  override name = 'GraphDefError';
  constructor(file: string, problem: string) {
    super(
      `${file} cannot be read as a frozen TensorFlow graph: ${problem}. It may be cut off, or another kind of file.`,
    );
  }
}

interface Constant {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
  /** Whether the tensor is stored as one value. */
  readonly isRepeated: boolean;
}

export class GraphDefFile {
  readonly name: string;
  readonly constants: ReadonlyMap<string, Constant>;
  readonly #signal: AbortSignal | undefined;

  private constructor(
    name: string,
    constants: ReadonlyMap<string, Constant>,
    signal: AbortSignal | undefined,
  ) {
    this.name = name;
    this.constants = constants;
    this.#signal = signal;
  }

  /**
   * @param signal cancels this, and later reading
   * @throws GraphDefError, and the signal's reason
   */
  static async open(blob: Blob, name: string, signal?: AbortSignal): Promise<GraphDefFile> {
    const work = new LongWork(signal);
    if (blob.size > MAXIMUM_FILE_BYTES)
      throw new GraphDefError(name, `it has ${blob.size} bytes, more than the ${MAXIMUM_FILE_BYTES} allowed`);
    const bytes = new Uint8Array(await blob.arrayBuffer());
    const constants = new Map<string, Constant>();
    let nodes = 0;
    let repeated = 0;
    const budget = new FieldBudget();
    try {
      for (const field of protobufFields(bytes, budget)) {
        await work.pause();
        if (field.number !== 1) continue;
        if (++nodes > MAXIMUM_NODES) throw new ProtobufError('it has too many nodes');
        const node = readNode(bytesOfField(field), budget);
        if (!node) continue;
        if (constants.has(node.name)) throw new ProtobufError(`it has the node ${quoted(node.name)} twice`);
        if (node.constant.isRepeated) repeated += elementCount(node.constant.shape);
        if (repeated > MAXIMUM_REPEATED)
          throw new ProtobufError(`single values in it stand for more than ${MAXIMUM_REPEATED}`);
        constants.set(node.name, node.constant);
      }
    } catch (error) {
      throw error instanceof ProtobufError ? new GraphDefError(name, error.message) : error;
    }
    if (nodes === 0) throw new GraphDefError(name, 'it has no nodes');
    return new GraphDefFile(name, constants, signal);
  }

  /** The values as float32. @throws GraphDefError, and the signal's reason */
  read(name: string): HostTensor {
    this.#signal?.throwIfAborted();
    const constant = this.constants.get(name);
    if (!constant) throw new GraphDefError(this.name, `there is no constant ${quoted(name)}`);
    const { dtype, shape, bytes, isRepeated } = constant;
    const stored = NUMBER_FORMATS.get(dtype)!.toFloat32!(bytes.slice().buffer as ArrayBuffer);
    return {
      shape,
      data: isRepeated ? new Float32Array(elementCount(shape)).fill(stored[0]!) : stored,
    };
  }
}

/** NodeDef: name = 1, op = 2, attr = 5. undefined unless the node is a constant with numbers. */
function readNode(
  message: Uint8Array,
  budget: FieldBudget,
): { name: string; constant: Constant } | undefined {
  let name = '';
  let isConstant = false;
  let constant: Constant | undefined;
  for (const field of protobufFields(message, budget)) {
    if (field.number === 1) name = textOf(field);
    else if (field.number === 2) {
      isConstant = textOf(field) === 'Const';
      // The op comes before the attributes in any file that is written in the order of the fields.
      if (!isConstant) return undefined;
    } else if (field.number === 5 && isConstant) {
      let key = '';
      let value: Uint8Array | undefined;
      for (const part of protobufFields(bytesOfField(field), budget)) {
        if (part.number === 1) key = textOf(part);
        else if (part.number === 2) value = bytesOfField(part);
      }
      if (key === 'value' && value) constant = readAttribute(value, budget);
    }
  }
  return constant && { name, constant };
}

/** AttrValue: tensor = 8. */
function readAttribute(message: Uint8Array, budget: FieldBudget): Constant | undefined {
  for (const field of protobufFields(message, budget))
    if (field.number === 8) return readTensor(bytesOfField(field), budget);
  return undefined;
}

/** TensorProto: dtype = 1, tensor_shape = 2, tensor_content = 4, float_val = 5 (one for all equal values). */
function readTensor(message: Uint8Array, budget: FieldBudget): Constant | undefined {
  let type = 0;
  let shape: number[] = [];
  let content: Uint8Array | undefined;
  const values: Uint8Array[] = [];
  for (const field of protobufFields(message, budget)) {
    if (field.number === 1) type = sizeOf(field);
    else if (field.number === 2) shape = readTensorShape(bytesOfField(field), budget);
    else if (field.number === 4) content = bytesOfField(field);
    else if (field.number === 5 && field.wire !== 'varint') values.push(field.value);
  }
  const dtype = TENSORFLOW_FORMATS.get(type);
  if (dtype === undefined) return undefined;
  const size = NUMBER_FORMATS.get(dtype)!.bytes;
  const count = elementCount(shape);
  const bytes = content ?? (dtype === 'F32' && values.length === 1 ? values[0] : undefined);
  if (!bytes || !Number.isSafeInteger(count)) return undefined;
  if (bytes.length === count * size) return { dtype, shape, bytes, isRepeated: false };
  return bytes.length === size && count <= MAXIMUM_REPEATED
    ? { dtype, shape, bytes, isRepeated: true }
    : undefined;
}
