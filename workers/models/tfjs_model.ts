/**
 * Models as TensorFlow.js graph models: written for plain `tf.loadGraphModel`, and read back here.
 *
 * In the files batch norms are folded into the layers before them. A model read back has the network's batch norms
 * again, with the values that change nothing but for adding the folded bias (moving mean 0, moving variance 1 − ε):
 * its embeddings are the same to rounding, and it can be evaluated, exported and trained on like any other.
 */
import type { ReadableDirectory } from '../protocol/data/directories.ts';
import { foldedGraph, unfoldBatchNorms } from '../compute/graph/fold_batch_norm.ts';
import type { WeightFormat } from '../formats/safetensors.ts';
import { tfjsGraphModelFiles, type ExportedFile } from './tfjs_graph_model.ts';
import { TfjsGraphModelFile } from '../formats/tfjs_graph_reader.ts';
import { buildModel } from '../compute/graph/models/index.ts';
import type { HostTensor } from '../protocol/tensor.ts';
import type { ImportReport } from '../protocol/models/models.ts';
import { importModel, openImport, settled } from './import_model.ts';
import type { LoadedModel } from './loaded_model.ts';
import { decodeMetadata, encodeMetadata, statedStandardization } from './metadata.ts';
import { checkParameters, metadataOf } from './model_file.ts';
import { FOLDED_NOTE, ownExportReport } from './own_export.ts';
import { checkTensorValues } from './parameter_values.ts';
import type { TensorSource } from './tensor_source.ts';

/** @param metadata of the model's; default: all of it */
export function tfjsModelFiles(
  model: LoadedModel,
  weightFormat: WeightFormat = 'float32',
  metadata = encodeMetadata(metadataOf(model)),
): ExportedFile[] {
  return tfjsGraphModelFiles(model.graph, model.parameters, model.imageSize, metadata, weightFormat);
}

/**
 * @param path of model.json in the folder
 * @throws TfjsModelError, MissingParametersError, ParameterShapeError, ParameterNotFiniteError, ModelMetadataError, and
 *   the signal's reason
 */
export async function readTfjsModel(
  directory: ReadableDirectory,
  path: string,
  signal?: AbortSignal,
): Promise<LoadedModel> {
  const file = await TfjsGraphModelFile.open(directory, path, signal);
  const metadata = decodeMetadata(file.metadata, path);
  if (!metadata) return importModel(sourceOf(file, directory.name));
  const graph = buildModel(metadata.model_def, { embeddingSize: metadata.embedding_size, classes: 0 });
  const folded = foldedGraph(graph);
  checkParameters(folded, new Map([...file.weights].map(([name, { shape }]) => [name, shape])), path);
  const parameters = new Map<string, HostTensor>();
  for (const { name } of folded.parameters) {
    const tensor = await file.read(name);
    checkTensorValues(path, name, tensor);
    parameters.set(name, tensor);
  }
  return {
    name: directory.name,
    graph,
    parameters: unfoldBatchNorms(graph, parameters),
    imageSize: metadata.image_size,
    ...settled(statedStandardization(metadata)),
    metadata,
    notes: [FOLDED_NOTE],
  };
}

/** What of it maps; an export of this program is whole or refused. @throws as readTfjsModel */
export async function inspectTfjsModel(
  directory: ReadableDirectory,
  path: string,
  signal?: AbortSignal,
): Promise<ImportReport> {
  const file = await TfjsGraphModelFile.open(directory, path, signal);
  if (!decodeMetadata(file.metadata, path)) return openImport(sourceOf(file, directory.name)).report;
  return ownExportReport(await readTfjsModel(directory, path, signal), path, `TensorFlow.js ${file.format}`);
}

function sourceOf(file: TfjsGraphModelFile, folder: string): TensorSource {
  return {
    name: file.path,
    folder,
    kind: `TensorFlow.js ${file.format}`,
    shapes: new Map(
      [...file.weights]
        .filter(([, { dtype }]) => dtype === 'float32')
        .map(([name, { shape }]) => [name, shape]),
    ),
    read: (name) => file.read(name),
  };
}
