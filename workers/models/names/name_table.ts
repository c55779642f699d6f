/**
 * How another program names and lays out the tensors of a network that is described here. A table is made from the
 * network's own description, so that it has a name for each of its parameters, and no others.
 */
import type { Graph } from '../../compute/graph/ir.ts';
import { HWIO_TO_OIHW, OIHW_TO_HWIO, permuteTensor, SWAP } from '../../formats/tensor_layout.ts';
import type { HostTensor } from '../../protocol/tensor.ts';

export type TensorLayout = 'same' | 'OIHW' | 'OI';

export interface ForeignTensor {
  readonly name: string;
  readonly layout: TensorLayout;
}

export interface NameTable {
  /** For the report: `facenet-pytorch`. */
  readonly program: string;
  /** By the parameter's name here, the classifier's `Logits/weights` and `Logits/biases` included where there is one. */
  readonly tensors: ReadonlyMap<string, ForeignTensor>;
  /** By the name of a batch norm's beta: the other program's factor, which the networks here do without. */
  readonly gammas: ReadonlyMap<string, string>;
  /** Names that belong to the network but hold nothing of use here, such as counters. */
  isIgnored(name: string): boolean;
}

export type MakeNameTable = (graph: Graph) => NameTable;

export const CLASSIFIER_WEIGHTS = 'Logits/weights';
export const CLASSIFIER_BIASES = 'Logits/biases';

/** The shape there of a tensor of this shape here. */
export function foreignShape(shape: readonly number[], layout: TensorLayout): readonly number[] {
  const permutation = permutationTo(layout);
  return permutation ? permutation.map((axis) => shape[axis]!) : shape;
}

export function toForeign(tensor: HostTensor, layout: TensorLayout): HostTensor {
  const permutation = permutationTo(layout);
  return permutation ? permuteTensor(tensor, permutation) : tensor;
}

export function fromForeign(tensor: HostTensor, layout: TensorLayout): HostTensor {
  return layout === 'same' ? tensor : permuteTensor(tensor, layout === 'OIHW' ? OIHW_TO_HWIO : SWAP);
}

function permutationTo(layout: TensorLayout): readonly number[] | undefined {
  return layout === 'same' ? undefined : layout === 'OIHW' ? HWIO_TO_OIHW : SWAP;
}
