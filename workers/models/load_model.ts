/** From a reference, as it crosses worker boundaries, to a model: a run's checkpoint, a file, or a folder. */
import type { ReadableDirectory } from '../protocol/data/directories.ts';
import { compareNames } from '../protocol/data/names.ts';
import { openDirectory } from '../files/open.ts';
import { isPytorchArchive } from '../formats/pytorch_file.ts';
import { MODEL_JSON } from './tfjs_graph_model.ts';
import { ZipFolder } from '../formats/zip_folder.ts';
import { ZipFile } from '../formats/zip_reader.ts';
import { buildModel } from '../compute/graph/models/index.ts';
import type { EvaluationOverview } from '../protocol/evaluate/evaluate.ts';
import type {
  ForeignModelReference,
  ImportReport,
  ModelDescription,
  ModelReference,
  StoredModel,
} from '../protocol/models/models.ts';
import type { RunRecord } from '../protocol/train/runs.ts';
import {
  standardizationOf,
  type ImageStandardization,
  type StandardizationFact,
} from '../protocol/models/standardization.ts';
import { loadCheckpoint, loadNewestCheckpoint, type Checkpoint } from '../storage/checkpoints.ts';
import { getModel, storedModelId } from '../storage/models.ts';
import { getRun } from '../storage/runs.ts';
import { evaluationsOf } from '../storage/saved_evaluations.ts';
import {
  CheckpointGoneError,
  NoCheckpointError,
  NoModelInFolderError,
  NotAModelError,
  RunMissingError,
} from './errors.ts';
import { CHECKPOINT_EXTENSION, checkpointSource, foreignSource } from './foreign_files.ts';
import { importModel, openImport, settled, type OpenedImport } from './import_model.ts';
import type { LoadedModel } from './loaded_model.ts';
import type { ModelEvaluation } from './metadata.ts';
import {
  checkParameters,
  inspectModelFile,
  metadataOf,
  MODEL_FILE_EXTENSION,
  readModelFile,
  stepOfModelFileName,
} from './model_file.ts';
import { parametersOf, runMetadata } from './run_model.ts';
import { ONNX_EXTENSION, readOnnxModel } from './onnx_file.ts';
import { AS_STATED, ownExportReport } from './own_export.ts';
import { ModelDirectory, refuseOtherFiles } from './not_models.ts';
import { checkAllValues } from './parameter_values.ts';
import { describeStarterModel, loadStarterModel } from './starter_model.ts';
import {
  standardizationByName,
  standardizationOfProgram,
  StandardizationUnknownError,
} from './standardization.ts';
import { inspectTfjsModel, readTfjsModel } from './tfjs_model.ts';

const ARCHIVE_EXTENSION = '.zip';
const SAVED_MODEL = 'saved_model.pb';
const AS_CHOSEN = 'as chosen';

/**
 * @throws the errors of ./errors.ts, StandardizationUnknownError, ParameterNotFiniteError, NegativeVarianceError,
 *   SafetensorsError, TfjsModelError, FileMissingError, PermissionLostError, and the signal's reason
 */
export async function loadModel(reference: ModelReference, signal?: AbortSignal): Promise<LoadedModel> {
  const model = await loadParameters(reference, signal);
  if (model.isStandardizationUnknown) throw new StandardizationUnknownError(model.name);
  return model;
}

/**
 * As loadModel, for those who only need the values: how images are standardised may stay unknown.
 */
export async function loadParameters(reference: ModelReference, signal?: AbortSignal): Promise<LoadedModel> {
  signal?.throwIfAborted();
  const { standardization } = reference;
  const model = await readReference(reference, signal);
  return standardization === undefined
    ? model
    : { ...model, ...chosen(standardization), isStandardizationUnknown: undefined };
}

function chosen(value: ImageStandardization): ReturnType<typeof settled> {
  return settled({ value, basis: AS_CHOSEN });
}

async function readReference(
  reference: ModelReference,
  signal: AbortSignal | undefined,
): Promise<LoadedModel> {
  switch (reference.kind) {
    case 'run':
      return loadRun(reference);
    case 'starter':
      return loadStarterModel(signal);
    case 'file':
      return readModelBlob(checkedFile(reference.file), reference.file.name, { signal });
    case 'directory': {
      const { directory, path } = reference;
      const model = await loadFromDirectory(await openDirectory(directory), path, signal);
      const id = directory.kind === 'private' ? storedModelId(directory.path) : undefined;
      return id === undefined ? model : loadStored(model, id);
    }
  }
}

/** The person may have said how its images are standardised after it was taken. */
async function loadStored(model: LoadedModel, id: string): Promise<LoadedModel> {
  const stored = await getModel(id);
  const evaluations = await evaluationsOf(id);
  const settledModel = stored ? { ...model, ...storedStandardization(stored) } : model;
  return evaluations.length === 0 ? settledModel : withEvaluations(settledModel, evaluations);
}

/** Earlier versions assumed it, and wrote what they assumed into the file. */
function storedStandardization({
  use_fixed_image_standardization: isFixed,
  standardization_basis: basis,
  origin: { program, file },
}: StoredModel): ReturnType<typeof settled> {
  if (basis !== undefined) return settled({ value: standardizationOf(isFixed), basis });
  if (program === 'this program') return settled({ value: standardizationOf(isFixed), basis: AS_STATED });
  return settled(standardizationByName([file]) ?? standardizationOfProgram(program));
}

/**
 * What a person should know of a model before it is used; its values are not looked at.
 * @throws as inspectModel, and StandardizationUnknownError
 */
export async function describeModel(
  reference: Exclude<ModelReference, { kind: 'run' }>,
  signal?: AbortSignal,
): Promise<ModelDescription> {
  if (reference.kind === 'starter') return describeStarterModel();
  const report = await inspectModel(reference, signal);
  const { file, kind, program, model_def, embedding_size, image_size, notes } = report;
  const standardization: StandardizationFact | undefined = reference.standardization
    ? { value: reference.standardization, basis: AS_CHOSEN }
    : report.standardization;
  if (!standardization) throw new StandardizationUnknownError(file);
  return { file, kind, program, model_def, embedding_size, image_size, notes, standardization };
}

function withEvaluations(model: LoadedModel, evaluations: readonly EvaluationOverview[]): LoadedModel {
  const known = model.metadata?.evaluations ?? [];
  const dataset = model.metadata?.dataset;
  return {
    ...model,
    metadata: {
      ...metadataOf(model),
      evaluations: [...evaluations.map((one) => modelEvaluation(one, dataset)), ...known],
    },
  };
}

/** @param dataset the name of the one that the model was trained on, where it is known */
export function modelEvaluation(
  { imagesName, step, weights, result, options }: EvaluationOverview,
  dataset: string | undefined,
): ModelEvaluation {
  const { accuracy, accuracyStd, val, valStd, far, farTarget, auc, eer, pairCount } = result;
  const thresholds = result.bestThresholdPerFold;
  return {
    ...{ images: imagesName, pairs: pairCount, step, moving_averages: weights?.areMovingAverages },
    ...(imagesName === dataset ? { seen_in_training: true } : {}),
    threshold: thresholds.reduce((sum, threshold) => sum + threshold, 0) / thresholds.length,
    distance_metric: options.lfw_distance_metric,
    use_flipped_images: options.lfw_use_flipped_images,
    subtract_mean: options.lfw_subtract_mean,
    ...{ accuracy, accuracyStd, val, valStd, far, farTarget, auc, eer },
  };
}

/**
 * @param path a file in the folder, or a folder in it; without one, the folder itself. In a folder it is the newest
 *   model file of the newest run, or else an exported model.json.
 */
export async function loadFromDirectory(
  directory: ReadableDirectory,
  path = '',
  signal?: AbortSignal,
): Promise<LoadedModel> {
  const folder = new ModelDirectory(directory);
  return loadFile(folder, await findModelFile(folder, path, signal), signal);
}

async function findModelFile(
  directory: ModelDirectory,
  path: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  const prefix = path.replace(/\/+$/, '');
  if (prefix !== '' && (await directory.exists(prefix))) return prefix;
  // TensorFlow names a checkpoint without its endings.
  if (prefix !== '' && (await directory.exists(prefix + CHECKPOINT_EXTENSION)))
    return prefix + CHECKPOINT_EXTENSION;
  const files: string[] = [];
  for await (const file of directory.list(signal))
    if (prefix === '' || file.path.startsWith(`${prefix}/`)) files.push(file.path);
  if (prefix !== '' && files.length === 0)
    throw new NotAModelError(prefix, `is not in the folder "${directory.name}"`);
  const newest = newestModelFile(files);
  if (newest === undefined)
    throw new NoModelInFolderError(prefix === '' ? directory.name : `${directory.name}/${prefix}`, files);
  return newest;
}

async function loadFile(
  directory: ModelDirectory,
  path: string,
  signal: AbortSignal | undefined,
): Promise<LoadedModel> {
  if (path.endsWith('.json')) return readTfjsModel(directory, path, signal);
  if (path.endsWith(CHECKPOINT_EXTENSION)) return (await openCheckpoint(directory, path, signal)).read();
  return readModelBlob(await directory.read(path), path, { ...placeOf(directory), signal });
}

interface BlobPlace {
  /** It lies in an archive, in which no other archive is opened. */
  readonly isPacked?: boolean;
  /** The name of the folder that it lies in. */
  readonly folder?: string;
  readonly signal: AbortSignal | undefined;
}

function placeOf({ isPacked, name }: ModelDirectory): Omit<BlobPlace, 'signal'> {
  return { isPacked, folder: name };
}

async function readModelBlob(
  blob: Blob,
  name: string,
  { isPacked, folder, signal }: BlobPlace,
): Promise<LoadedModel> {
  await refuseOtherFiles(blob, name);
  const archive = isPacked ? undefined : await openArchive(blob, name, signal);
  if (archive) return loadFromDirectory(archive, '', signal);
  if (name.endsWith(ONNX_EXTENSION)) return readOnnxModel(blob, name, signal);
  const source = await foreignSource(blob, name, folder, signal);
  return source ? importModel(source) : readModelFile(blob, name, folder, signal);
}

/** A SavedModel's variables are a checkpoint, whose names are the network's own or not. @throws NotAModelError */
async function openCheckpoint(
  directory: ReadableDirectory,
  path: string,
  signal: AbortSignal | undefined,
): Promise<OpenedImport> {
  const source = await checkpointSource(directory, path, signal);
  try {
    return openImport(source);
  } catch (error) {
    const folder = path.slice(0, path.lastIndexOf('/') + 1);
    const root = folder.endsWith('variables/') ? folder.slice(0, -'variables/'.length) : folder;
    if (!(error instanceof NotAModelError) || !(await directory.exists(root + SAVED_MODEL))) throw error;
    throw new NotAModelError(
      `${root}${SAVED_MODEL}`,
      'belongs to a TensorFlow SavedModel whose variables do not match any supported network: save the weights as HDF5, with model.save("facenet.h5") in Keras, or use the checkpoint that it was made from',
    );
  }
}

/** @throws NotAModelError for a file that is of no use alone */
function checkedFile(file: File): File {
  if (file.name.endsWith('.json'))
    throw new NotAModelError(
      file.name,
      'is only one file of a model: choose its folder, or all its files together',
    );
  return file;
}

/**
 * A zip archive with a model's files in it, such as this program's downloads.
 * @returns undefined for what is no zip archive, and for PyTorch's files, which are archives of another kind
 * @throws ZipError, and the signal's reason
 */
async function openArchive(
  blob: Blob,
  name: string,
  signal: AbortSignal | undefined,
): Promise<ZipFolder | undefined> {
  const head = new Uint8Array(await blob.slice(0, 2).arrayBuffer());
  if (head[0] !== 0x50 || head[1] !== 0x4b) return undefined;
  const zip = await ZipFile.open(blob, name, signal);
  return isPytorchArchive(zip) ? undefined : new ZipFolder(zip);
}

/**
 * What of a file's tensors maps to a network, before it is taken.
 * @throws as loadModel, but for what is missing or has a wrong shape: the report says so
 */
export async function inspectModel(
  reference: ForeignModelReference,
  signal?: AbortSignal,
): Promise<ImportReport> {
  signal?.throwIfAborted();
  if (reference.kind === 'file')
    return inspectBlob(checkedFile(reference.file), reference.file.name, { signal });
  return inspectDirectory(await openDirectory(reference.directory), reference.path, signal);
}

async function inspectDirectory(
  folder: ReadableDirectory,
  pathInIt = '',
  signal: AbortSignal | undefined,
): Promise<ImportReport> {
  const directory = new ModelDirectory(folder);
  const path = await findModelFile(directory, pathInIt, signal);
  if (path.endsWith('.json')) return inspectTfjsModel(directory, path, signal);
  if (path.endsWith(CHECKPOINT_EXTENSION)) return (await openCheckpoint(directory, path, signal)).report;
  return inspectBlob(await directory.read(path), path, { ...placeOf(directory), signal });
}

async function inspectBlob(
  blob: Blob,
  name: string,
  { isPacked, folder, signal }: BlobPlace,
): Promise<ImportReport> {
  await refuseOtherFiles(blob, name);
  const archive = isPacked ? undefined : await openArchive(blob, name, signal);
  if (archive) return inspectDirectory(archive, '', signal);
  if (name.endsWith(ONNX_EXTENSION))
    return ownExportReport(await readOnnxModel(blob, name, signal), name, 'ONNX model');
  const source = await foreignSource(blob, name, folder, signal);
  return source ? openImport(source).report : inspectModelFile(blob, name, folder, signal);
}

/** Runs' folders are named by their time: the last one is the newest. In it, the largest step. */
function newestModelFile(paths: readonly string[]): string | undefined {
  const folderOf = (path: string): string => path.slice(0, path.lastIndexOf('/') + 1);
  const kinds: ((path: string) => boolean)[] = [
    (path) => path.endsWith(MODEL_FILE_EXTENSION),
    (path) => path === MODEL_JSON || path.endsWith(`/${MODEL_JSON}`),
    // The original's model folder has both: the frozen graph is the checkpoint, ready to use. A SavedModel's graph has
    // no values in it; they are a checkpoint beside it.
    (path) => path.endsWith('.pb') && !path.endsWith(SAVED_MODEL),
    (path) => path.endsWith(CHECKPOINT_EXTENSION),
    (path) => path.endsWith(ONNX_EXTENSION),
    (path) => /\.(pt|pth|h5)$/.test(path),
    (path) => path.endsWith(ARCHIVE_EXTENSION),
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

/** The original evaluates and freezes the parameters themselves, and not their averages: so does this by default. */
async function loadRun({
  runId,
  step,
  useMovingAverages = false,
}: Extract<ModelReference, { kind: 'run' }>): Promise<LoadedModel> {
  const run = await getRun(runId);
  if (!run) throw new RunMissingError(runId);
  const checkpoint = await runCheckpoint(run, step);
  const { options } = run;
  const evaluations = await evaluationsOf(runId);
  const graph = buildModel(options.model_def, { embeddingSize: options.embedding_size, classes: 0 });
  checkParameters(
    graph,
    new Map([...checkpoint.parameters].map(([name, { shape }]) => [name, shape])),
    `The checkpoint of ${runId}`,
  );
  const parameters = parametersOf(checkpoint, useMovingAverages);
  checkAllValues(`the checkpoint of ${runId}, step ${checkpoint.step}`, parameters);
  return {
    name: runId,
    graph,
    parameters,
    imageSize: options.image_size,
    useFixedImageStandardization: options.use_fixed_image_standardization,
    metadata: {
      ...runMetadata(run, checkpoint, useMovingAverages),
      ...(evaluations.length > 0
        ? { evaluations: evaluations.map((one) => modelEvaluation(one, run.datasetName)) }
        : {}),
    },
    notes: [],
  };
}

/** @throws NoCheckpointError, CheckpointGoneError */
async function runCheckpoint(
  { id, best }: RunRecord,
  wanted: Extract<ModelReference, { kind: 'run' }>['step'],
): Promise<Checkpoint> {
  if (wanted === undefined) {
    const newest = await loadNewestCheckpoint(id);
    if (!newest) throw new NoCheckpointError(id);
    return newest;
  }
  const step = wanted === 'best' ? best?.step : wanted;
  const checkpoint = step === undefined ? undefined : await loadCheckpoint(id, step);
  if (!checkpoint) throw new CheckpointGoneError(id, step);
  return checkpoint;
}
