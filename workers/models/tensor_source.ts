/** A file with named tensors, whatever its kind: what imports are made from. */
import type { HostTensor } from '../graph/tensor.ts';

export interface TensorSource {
  /** For messages: the file's name. */
  readonly name: string;
  /** What kind of file it is, for the report: `PyTorch state dict`. */
  readonly kind: string;
  /** Of the tensors that can be read, under the file's own names. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  /** The values as float32. */
  read(name: string): Promise<HostTensor>;
}
