/** From a reference, as it crosses worker boundaries, to a model: a run's checkpoint, a file, or a folder. */
import { compareNames } from '../dataset/classes.ts';
import type { ReadableDirectory } from '../dataset/directory.ts';
import { openDirectory } from '../dataset/open.ts';
import { MODEL_JSON } from '../formats/tfjs_graph_model.ts';
import { buildModel } from '../graph/models/index.ts';
import type { HostTensor } from '../graph/tensor.ts';
import type { ImportReport, ModelReference } from '../protocol.ts';
import { loadNewestCheckpoint } from '../storage/checkpoints.ts';
import { getRun } from '../storage/runs.ts';
import { NoCheckpointError, NoModelInFolderError, NotAModelError, RunMissingError } from './errors.ts';
import { CHECKPOINT_EXTENSION, checkpointSource, foreignSource } from './foreign_files.ts';
import { importModel, openImport } from './import_model.ts';
import type { LoadedModel } from './loaded_model.ts';
import {
  checkParameters,
  MODEL_FILE_EXTENSION,
  openModelFile,
  readModelFile,
  stepOfModelFileName,
} from './model_file.ts';
import { inspectTfjsModel, readTfjsModel } from './tfjs_model.ts';

export interface LoadModelOptions {
  /**
   * Take the exponential moving averages of a run's parameters where it has them, instead of the parameters
   * themselves. The original evaluates and freezes the parameters themselves, and so does this by default.
   */
  readonly useMovingAverages?: boolean;
}

/** @throws the errors of ./errors.ts, SafetensorsError, TfjsModelError, FileMissingError, PermissionLostError */
export async function loadModel(
  reference: ModelReference,
  options: LoadModelOptions = {},
): Promise<LoadedModel> {
  switch (reference.kind) {
    case 'run':
      return loadRun(reference.runId, options);
    case 'file':
      if (reference.file.name.endsWith('.json'))
        throw new NotAModelError(
          reference.file.name,
          'is one file of a model: its weights lie beside it, so choose its folder',
        );
      return readModelBlob(reference.file, reference.file.name);
    case 'directory':
      return loadFromDirectory(await openDirectory(reference.directory), reference.path);
  }
}

/**
 * @param path a file in the folder, or a folder in it; without one, the folder itself. In a folder it is the newest
 *   model file of the newest run, or else an exported model.json.
 */
export async function loadFromDirectory(directory: ReadableDirectory, path = ''): Promise<LoadedModel> {
  return loadFile(directory, await findModelFile(directory, path));
}

async function findModelFile(directory: ReadableDirectory, path = ''): Promise<string> {
  const prefix = path.replace(/\/+$/, '');
  if (prefix !== '' && (await directory.exists(prefix))) return prefix;
  // TensorFlow names a checkpoint without its endings.
  if (prefix !== '' && (await directory.exists(prefix + CHECKPOINT_EXTENSION)))
    return prefix + CHECKPOINT_EXTENSION;
  const files: string[] = [];
  for await (const file of directory.list())
    if (prefix === '' || file.path.startsWith(`${prefix}/`)) files.push(file.path);
  if (prefix !== '' && files.length === 0)
    throw new NotAModelError(prefix, `is not in the folder "${directory.name}"`);
  const newest = newestModelFile(files);
  if (newest === undefined)
    throw new NoModelInFolderError(prefix === '' ? directory.name : `${directory.name}/${prefix}`, files);
  return newest;
}

async function loadFile(directory: ReadableDirectory, path: string): Promise<LoadedModel> {
  if (path.endsWith('.json')) return readTfjsModel(directory, path);
  if (path.endsWith(CHECKPOINT_EXTENSION)) return importModel(await checkpointSource(directory, path));
  return readModelBlob(await directory.read(path), path);
}

async function readModelBlob(blob: Blob, name: string): Promise<LoadedModel> {
  const source = await foreignSource(blob, name);
  return source ? importModel(source) : readModelFile(blob, name);
}

/**
 * What of a file's tensors maps to a network, before it is taken.
 * @throws as loadModel, but for what is missing or has a wrong shape: the report says so
 */
export async function inspectModel(
  reference: Exclude<ModelReference, { kind: 'run' }>,
): Promise<ImportReport> {
  if (reference.kind === 'file') return inspectBlob(reference.file, reference.file.name);
  const directory = await openDirectory(reference.directory);
  const path = await findModelFile(directory, reference.path);
  if (path.endsWith('.json')) return inspectTfjsModel(directory, path);
  if (path.endsWith(CHECKPOINT_EXTENSION)) return openImport(await checkpointSource(directory, path)).report;
  return inspectBlob(await directory.read(path), path);
}

async function inspectBlob(blob: Blob, name: string): Promise<ImportReport> {
  const source = (await foreignSource(blob, name)) ?? (await openModelFile(blob, name));
  return openImport(source).report;
}

/** Runs' folders are named by their time: the last one is the newest. In it, the largest step. */
function newestModelFile(paths: readonly string[]): string | undefined {
  const folderOf = (path: string): string => path.slice(0, path.lastIndexOf('/') + 1);
  const kinds: ((path: string) => boolean)[] = [
    (path) => path.endsWith(MODEL_FILE_EXTENSION),
    (path) => path === MODEL_JSON || path.endsWith(`/${MODEL_JSON}`),
    // The original's model folder has both: the frozen graph is the checkpoint, ready to use.
    (path) => path.endsWith('.pb'),
    (path) => path.endsWith(CHECKPOINT_EXTENSION),
    (path) => /\.(pt|pth|h5)$/.test(path),
  ];
  const candidates = kinds.map((isKind) => paths.filter(isKind)).find((found) => found.length > 0) ?? [];
  return [...candidates]
    .sort(
      (a, b) =>
        compareNames(folderOf(a), folderOf(b)) ||
        stepOfModelFileName(a) - stepOfModelFileName(b) ||
        compareNames(a, b),
    )
    .at(-1);
}

async function loadRun(runId: string, { useMovingAverages = false }: LoadModelOptions): Promise<LoadedModel> {
  const run = await getRun(runId);
  if (!run) throw new RunMissingError(runId);
  const checkpoint = await loadNewestCheckpoint(runId);
  if (!checkpoint) throw new NoCheckpointError(runId);
  const { options, classNames } = run;
  const graph = buildModel(options.model_def, { embeddingSize: options.embedding_size, classes: 0 });
  checkParameters(
    graph,
    new Map([...checkpoint.parameters].map(([name, { shape }]) => [name, shape])),
    `The checkpoint of ${runId}`,
  );
  const averages = useMovingAverages ? checkpoint.state : new Map<string, HostTensor>();
  return {
    name: runId,
    graph,
    parameters: new Map(
      [...checkpoint.parameters].map(([name, tensor]) => [
        name,
        averages.get(`${name}/ExponentialMovingAverage`) ?? tensor,
      ]),
    ),
    imageSize: options.image_size,
    useFixedImageStandardization: options.use_fixed_image_standardization,
    metadata: {
      model_def: options.model_def,
      embedding_size: options.embedding_size,
      image_size: options.image_size,
      use_fixed_image_standardization: options.use_fixed_image_standardization,
      class_names: classNames,
      run: runId,
      step: checkpoint.step,
      epoch: checkpoint.epoch,
      dataset: run.datasetName,
      image_count: run.imageCount,
      options,
    },
    notes: [],
  };
}
