/** A file with named tensors, whatever its kind: what imports are made from. */
import type { HostTensor } from '../protocol/tensor.ts';
import type { StandardizationFact } from '../protocol/models/standardization.ts';

export interface TensorSource {
  /** For messages: the file's name. */
  readonly name: string;
  /** What kind of file it is, for the report: `PyTorch state dict`. */
  readonly kind: string;
  /** Of the tensors that can be read, under the file's own names. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  /** The folder's name that it lies in, where it lies in one: the original names models by their folders. */
  readonly folder?: string | undefined;
  /** What the file itself says, where it says anything. */
  readonly standardization?: StandardizationFact | undefined;
  /** Pixels. */
  readonly imageSize?: number | undefined;
  /** Where a tensor's values lie, in files that say so for each tensor: no two may share their bytes. */
  readonly regionOf?: (name: string) => TensorRegion;
  /** The values as float32. */
  read(name: string): Promise<HostTensor>;
}

/** A part of a file, or of a storage in it, in values or bytes. */
export interface TensorRegion {
  readonly storage: string;
  readonly start: number;
  /** After the last one. */
  readonly end: number;
}
