/** This program's ONNX exports as models again. Other programs' files do not say which of their numbers is what. */
import { OnnxError, readOnnxMetadata } from '../formats/onnx_reader.ts';
import { buildModel } from '../compute/graph/models/index.ts';
import { NotAModelError } from './errors.ts';
import type { LoadedModel } from './loaded_model.ts';
import { settled } from './import_model.ts';
import { decodeMetadata, statedStandardization } from './metadata.ts';
import { onnxParameters } from './onnx_parameters.ts';
import { FOLDED_NOTE } from './own_export.ts';

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
