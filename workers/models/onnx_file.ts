/** This program's ONNX exports as models again. Other programs' files do not say which of their numbers is what. */
import { foldedGraph, unfoldBatchNorms } from '../compute/graph/fold_batch_norm.ts';
import type { Graph } from '../compute/graph/ir.ts';
import { OnnxError, readOnnxMetadata, readOnnxWeights } from '../formats/onnx_reader.ts';
import { OIHW_TO_HWIO, permuteTensor } from '../formats/tensor_layout.ts';
import type { HostTensor } from '../protocol/tensor.ts';
import { buildModel } from '../compute/graph/models/index.ts';
import { NotAModelError } from './errors.ts';
import type { LoadedModel } from './loaded_model.ts';
import { settled } from './import_model.ts';
import { decodeMetadata, statedStandardization } from './metadata.ts';
import { checkParameters } from './model_file.ts';
import { FOLDED_NOTE } from './own_export.ts';
import { checkTensorValues } from './parameter_values.ts';

export const ONNX_EXTENSION = '.onnx';

/** The file is read as a whole; the exports have 100 MB at most. */
const MAXIMUM_FILE_BYTES = 1024 * 1024 * 1024;

/** @throws NotAModelError, OnnxError, MissingParametersError, ParameterShapeError, ModelMetadataError, and the
 * signal's reason */
export async function readOnnxModel(blob: Blob, name: string, signal?: AbortSignal): Promise<LoadedModel> {
  if (blob.size > MAXIMUM_FILE_BYTES)
    throw new OnnxError(name, `it has ${blob.size} bytes, more than the ${MAXIMUM_FILE_BYTES} allowed`);
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const metadata = decodeMetadata(await readOnnxMetadata(bytes, name, signal), name);
  if (!metadata)
    throw new NotAModelError(
      name,
      'is an ONNX file of another program. Only ONNX files that this program exported can be read: use the file that it was converted from',
    );
  const graph = buildModel(metadata.model_def, { embeddingSize: metadata.embedding_size, classes: 0 });
  return {
    name: name.replace(/^.*\//, '').slice(0, -ONNX_EXTENSION.length),
    graph,
    parameters: await onnxParameters(graph, bytes, name, signal),
    imageSize: metadata.image_size,
    ...settled(statedStandardization(metadata)),
    metadata,
    notes: [FOLDED_NOTE],
  };
}

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
