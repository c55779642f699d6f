/**
 * This program's own model file: one safetensors file with the original's variable names
 * (`InceptionResnetV1/Conv2d_1a_3x3/weights`, …, moving statistics included; `Logits/…` where the classifier is kept),
 * and the settings needed to use it as metadata. Files of others with these names are read too: what they do not say
 * is inferred or assumed, and the model's notes say so.
 */
import { identifyFile, SAFETENSORS, UNKNOWN_BINARY } from '../formats/identify_file.ts';
import { safetensorsBlob, SafetensorsFile } from '../formats/safetensors.ts';
import type { Graph } from '../compute/graph/ir.ts';
import { buildModel } from '../compute/graph/models/index.ts';
import { MODEL_NAMES } from '../protocol/train/networks.ts';
import type { HostTensor, NamedTensors } from '../protocol/tensor.ts';
import type { ImportReport } from '../protocol/models/models.ts';
import { standardizationOf } from '../protocol/models/standardization.ts';
import { MissingParametersError, NotAModelError, ParameterShapeError } from './errors.ts';
import { importModel, openImport, settled } from './import_model.ts';
import type { LoadedModel } from './loaded_model.ts';
import { decodeMetadata, encodeMetadata, statedStandardization, type ModelMetadata } from './metadata.ts';
import { AS_STATED } from './own_export.ts';
import { checkTensorValues } from './parameter_values.ts';
import { standardizationByName } from './standardization.ts';
import type { TensorSource } from './tensor_source.ts';
import { shortText } from '../protocol/quoted.ts';

export const MODEL_FILE_EXTENSION = '.safetensors';
const CLASSIFIER_WEIGHTS = 'Logits/weights';
const CLASSIFIER_BIASES = 'Logits/biases';
const BOTTLENECK_WEIGHTS = 'Bottleneck/weights';
const DEFAULT_IMAGE_SIZE = 160;
const MAXIMUM_EMBEDDING_SIZE = 65_536;

/** As the original names its checkpoints: `model-20180402-114759-275.safetensors`. */
export function modelFileName(run: string, step: number): string {
  return `model-${run}-${step}${MODEL_FILE_EXTENSION}`;
}

/** The step in a name that modelFileName made; −1 for any other name. */
export function stepOfModelFileName(name: string): number {
  const match = /(?:\d{8}-\d{6}(?:-\d+)?-|[^\d-]-)(\d+)\.safetensors$/.exec(name);
  return match ? Number(match[1]) : -1;
}

/** @param tensors under the original's names; the classifier's may be among them */
export function writeModelFile(tensors: NamedTensors, metadata: ModelMetadata): Blob {
  return safetensorsBlob(tensors, encodeMetadata(metadata));
}

/** The metadata that describes a loaded model. */
export function metadataOf(model: LoadedModel): ModelMetadata {
  return {
    ...model.metadata,
    model_def: model.graph.name,
    embedding_size: model.graph.embeddingSize,
    image_size: model.imageSize,
    use_fixed_image_standardization: model.useFixedImageStandardization,
  };
}

/**
 * @param name of the file, for messages
 * @param folder the name of the one it lies in
 * @throws NotAModelError, MissingParametersError, ParameterShapeError, ParameterNotFiniteError, NegativeVarianceError,
 *   ModelMetadataError, SafetensorsError, and the signal's reason
 */
export async function readModelFile(
  blob: Blob,
  name: string,
  folder?: string,
  signal?: AbortSignal,
): Promise<LoadedModel> {
  const file = await openSafetensors(blob, name, signal);
  const notes: string[] = [];
  const stated = decodeMetadata(file.metadata, name);
  // Names of other programs than the original are told apart, and taken, by the importer.
  if (
    !stated &&
    ![...file.entries.keys()].some((key) => key.endsWith(BOTTLENECK_WEIGHTS)) &&
    file.entries.size > 0
  )
    return importModel(safetensorsSource(file, folder));
  const metadata = stated ?? inferMetadata(file, notes);
  const graph = buildModel(metadata.model_def, { embeddingSize: metadata.embedding_size, classes: 0 });
  checkParameters(graph, new Map([...file.entries].map(([key, { shape }]) => [key, shape])), name);
  const names = graph.parameters.map((spec) => spec.name);
  const unused = new Set(file.entries.keys());
  const parameters = new Map<string, HostTensor>();
  for (const parameter of [...names, ...classifierNames(file, metadata)]) {
    const tensor = await file.read(parameter);
    checkTensorValues(name, parameter, tensor);
    parameters.set(parameter, tensor);
    unused.delete(parameter);
  }
  if (unused.size > 0) {
    const examples = [...unused]
      .slice(0, 3)
      .map((key) => shortText(key))
      .join(', ');
    notes.push(`${unused.size} tensors of ${name} are not used: ${examples}${unused.size > 3 ? ', …' : ''}.`);
  }
  return {
    name: name.replace(/^.*\//, '').replace(/\.safetensors$/, ''),
    graph,
    parameters,
    imageSize: metadata.image_size,
    ...settled(statedStandardization(metadata) ?? standardizationByName([name, folder ?? ''])),
    metadata: stated,
    notes,
  };
}

/** @throws NotAModelError, SafetensorsError */
async function openSafetensors(
  blob: Blob,
  name: string,
  signal: AbortSignal | undefined,
): Promise<SafetensorsFile> {
  const kind = await identifyFile(blob);
  if (kind !== SAFETENSORS && (kind !== UNKNOWN_BINARY || !name.endsWith(MODEL_FILE_EXTENSION)))
    throw new NotAModelError(name, `is ${kind}, not a model`);
  return SafetensorsFile.open(blob, name, signal);
}

/** What of a safetensors file's tensors maps. @throws NotAModelError, SafetensorsError, ModelMetadataError */
export async function inspectModelFile(
  blob: Blob,
  name: string,
  folder?: string,
  signal?: AbortSignal,
): Promise<ImportReport> {
  const file = await openSafetensors(blob, name, signal);
  const stated = decodeMetadata(file.metadata, name);
  const { report } = openImport(safetensorsSource(file, folder));
  if (!stated) return report;
  const { image_size } = stated;
  const standardization = statedStandardization(stated) ?? report.standardization;
  const notes = report.extra.length > 0 ? report.notes.slice(1) : [];
  return { ...report, program: 'this program', image_size, standardization, notes };
}

function safetensorsSource(file: SafetensorsFile, folder: string | undefined): TensorSource {
  const stated = file.metadata.get('use_fixed_image_standardization');
  const size = file.metadata.get('image_size');
  return {
    name: file.name,
    folder,
    // Exports with facenet-pytorch's names have these two, and nothing else of this program's metadata.
    standardization:
      stated === 'true' || stated === 'false'
        ? { value: standardizationOf(stated === 'true'), basis: AS_STATED }
        : undefined,
    imageSize: size === undefined ? undefined : Number(size),
    kind: 'safetensors file',
    shapes: new Map([...file.entries].map(([name, { shape }]) => [name, shape])),
    read: (name) => file.read(name),
  };
}

/** Holds names and shapes against what the graph needs. @throws MissingParametersError, ParameterShapeError */
export function checkParameters(
  graph: Graph,
  shapes: ReadonlyMap<string, readonly number[]>,
  file: string,
): void {
  const missing = graph.parameters.filter((spec) => !shapes.has(spec.name)).map((spec) => spec.name);
  if (missing.length > 0)
    throw new MissingParametersError(file, graph.name, graph.parameters.length, missing);
  for (const { name, shape } of graph.parameters) {
    const found = shapes.get(name)!;
    if (found.join() !== shape.join()) throw new ParameterShapeError(file, name, shape, found);
  }
}

/** The network with the most of its names in the file, and the embedding size from the Bottleneck's shape. */
function inferMetadata(file: SafetensorsFile, notes: string[]): ModelMetadata {
  const bottleneck = [...file.entries.values()].find(
    ({ name, shape }) => name.endsWith(BOTTLENECK_WEIGHTS) && shape.length === 2,
  );
  const embeddingSize = bottleneck?.shape[1] ?? 0;
  if (embeddingSize < 1 || embeddingSize > MAXIMUM_EMBEDDING_SIZE)
    throw new NotAModelError(
      file.name,
      `is a safetensors file, but not a face embedding model: it has no …/${BOTTLENECK_WEIGHTS} among its ${file.entries.size} tensors`,
    );
  const counted = MODEL_NAMES.map((modelDef) => {
    const { parameters } = buildModel(modelDef, { embeddingSize, classes: 0 });
    return { modelDef, count: parameters.filter(({ name }) => file.entries.has(name)).length };
  });
  const { modelDef } = counted.reduce((best, other) => (other.count > best.count ? other : best));
  notes.push(
    `${file.name} does not say how it was trained: read as ${modelDef} for images of ${DEFAULT_IMAGE_SIZE} × ${DEFAULT_IMAGE_SIZE} pixels; embedding_size ${embeddingSize} is the Bottleneck's.`,
  );
  return {
    model_def: modelDef,
    embedding_size: embeddingSize,
    image_size: DEFAULT_IMAGE_SIZE,
    use_fixed_image_standardization: undefined,
  };
}

/** The classifier's two tensors, where they are there and fit the embeddings and each other. */
function classifierNames(file: SafetensorsFile, metadata: ModelMetadata): string[] {
  const weights = file.entries.get(CLASSIFIER_WEIGHTS);
  const biases = file.entries.get(CLASSIFIER_BIASES);
  const fits =
    biases?.shape.length === 1 && weights?.shape.join() === [metadata.embedding_size, biases.shape[0]].join();
  return fits ? [CLASSIFIER_WEIGHTS, CLASSIFIER_BIASES] : [];
}
