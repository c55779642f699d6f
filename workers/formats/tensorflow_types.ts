/** Number formats and shapes in TensorFlow's files (tensorflow/core/framework/*.proto). */
import { bytesOfField, protobufFields, ProtobufError, sizeOf, type FieldBudget } from './protobuf_reader.ts';

/** DataType → its name in workers/formats/float_formats.ts. */
export const TENSORFLOW_FORMATS: ReadonlyMap<number, string> = new Map([
  [1, 'F32'],
  [2, 'F64'],
  [3, 'I32'],
  [9, 'I64'],
  [14, 'BF16'],
  [19, 'F16'],
]);

const MAXIMUM_AXES = 8;

/** TensorShapeProto: repeated Dim dim = 2 { int64 size = 1 }. @throws ProtobufError */
export function readTensorShape(message: Uint8Array, budget: FieldBudget): number[] {
  const shape: number[] = [];
  for (const field of protobufFields(message, budget)) {
    if (field.number !== 2) continue;
    let size = 0;
    for (const part of protobufFields(bytesOfField(field), budget))
      if (part.number === 1) size = sizeOf(part);
    shape.push(size);
    if (shape.length > MAXIMUM_AXES) throw new ProtobufError('a tensor has too many axes');
  }
  return shape;
}
