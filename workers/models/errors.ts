/** What can go wrong with a model from a file, a folder or a run; each message names the thing and the way on. */
import { quoted, shortText } from '../protocol/quoted.ts';

const FORMATS =
  'Models are read from .safetensors files, TensorFlow.js folders (model.json), TensorFlow’s frozen graphs (.pb) and checkpoints (.index and .data), facenet-pytorch’s .pt, keras-facenet’s .h5, and this program’s .onnx and .zip files.';
const NAMES_SHOWN = 4;

export class NotAModelError extends Error {
  override name = 'NotAModelError';
  /** @param problem e.g. `is a JPEG image, not a model` */
  constructor(file: string, problem: string) {
    super(`${file} ${problem}. ${FORMATS}`);
  }
}

export class NoModelInFolderError extends Error {
  override name = 'NoModelInFolderError';
  constructor(folder: string, files: readonly string[]) {
    const found =
      files.length === 0
        ? 'it has no files'
        : `it holds ${list(files)}${files.length > NAMES_SHOWN ? ` and ${files.length - NAMES_SHOWN} more` : ''}`;
    super(`There is no model in the folder "${folder}": ${found}. ${FORMATS}`);
  }
}

export class MissingParametersError extends Error {
  override name = 'MissingParametersError';
  constructor(file: string, modelName: string, total: number, missing: readonly string[]) {
    super(
      `${file} lacks ${missing.length} of the ${total} parameters of ${modelName}: ${list(missing)}${missing.length > NAMES_SHOWN ? ', …' : ''}. It belongs to a different network, or it is incomplete.`,
    );
  }
}

export class ParameterShapeError extends Error {
  override name = 'ParameterShapeError';
  constructor(file: string, parameter: string, expected: readonly number[], found: readonly number[]) {
    super(
      `In ${file}, ${shortText(parameter)} has the shape [${found.slice(0, 8).join(', ')}], but the network needs [${expected.join(', ')}]. It belongs to a different network or embedding_size.`,
    );
  }
}

export class SharedTensorsError extends Error {
  override name = 'SharedTensorsError';
  constructor(file: string, first: string, second: string) {
    super(
      `In ${file}, ${shortText(first)} and ${shortText(second)} share their bytes, which no training does. Get the file again from its source.`,
    );
  }
}

export class ModelMetadataError extends Error {
  override name = 'ModelMetadataError';
  constructor(file: string, key: string, value: string) {
    super(
      `${file} says ${key} = ${quoted(value)}, which this program cannot use. The file was changed, or a newer version wrote it.`,
    );
  }
}

export class RunMissingError extends Error {
  override name = 'RunMissingError';
  constructor(runId: string) {
    super(`There is no run ${runId} in this browser's storage. It may have been deleted.`);
  }
}

export class StarterModelMissingError extends Error {
  override name = 'StarterModelMissingError';
  constructor(status: number) {
    super(`The starter model could not be loaded from this page's address (${status}). Reload the page.`);
  }
}

export class NoCheckpointError extends Error {
  override name = 'NoCheckpointError';
  constructor(runId: string) {
    super(
      `The run ${runId} has no complete checkpoint yet. A checkpoint is saved after each epoch and when the run is paused.`,
    );
  }
}

export class CheckpointGoneError extends Error {
  override name = 'CheckpointGoneError';
  /** @param step undefined: the best one, of a run that none has been measured of */
  constructor(runId: string, step: number | undefined) {
    super(
      step === undefined
        ? `No checkpoint of the run ${runId} has been evaluated, so none is the best. Choose its latest checkpoint.`
        : `The checkpoint of step ${step} of the run ${runId} is missing or damaged (older checkpoints are deleted to make room). Choose another one.`,
    );
  }
}

function list(names: readonly string[]): string {
  return names
    .slice(0, NAMES_SHOWN)
    .map((name) => shortText(name))
    .join(', ');
}
