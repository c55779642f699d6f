/** The way back from an ONNX export of this program to the network's parameters. */
import { foldedGraph, unfoldBatchNorms } from '../compute/graph/fold_batch_norm.ts';
import { readOnnxWeights } from '../formats/onnx_reader.ts';
import { OIHW_TO_HWIO, permuteTensor } from '../formats/tensor_layout.ts';
import type { Graph } from '../compute/graph/ir.ts';
import type { HostTensor } from '../protocol/tensor.ts';
import { checkParameters } from './model_file.ts';
import { checkTensorValues } from './parameter_values.ts';

/**
 * @param file its name, for messages
 * @throws OnnxError, MissingParametersError, ParameterShapeError, ParameterNotFiniteError, and the signal's reason
 */
export async function onnxParameters(
  graph: Graph,
  bytes: Uint8Array,
  file: string,
  signal?: AbortSignal,
): Promise<Map<string, HostTensor>> {
  const folded = foldedGraph(graph);
  const stored = await readOnnxWeights(bytes, file, signal);
  const weights = new Map(
    [...stored].map(([name, tensor]): [string, HostTensor] => [
      name,
      tensor.shape.length === 4 ? permuteTensor(tensor, OIHW_TO_HWIO) : tensor,
    ]),
  );
  checkParameters(folded, new Map([...weights].map(([name, { shape }]) => [name, shape])), file);
  for (const { name } of folded.parameters) checkTensorValues(file, name, weights.get(name)!);
  return unfoldBatchNorms(graph, weights);
}
