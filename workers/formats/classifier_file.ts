/**
 * A trained classifier as JSON: the names of the people, and the values of the support vector machine in base64.
 *
 * Bounds. A file has at most a million people (see bounded_json.ts). Time is linear in its size, and memory is at most
 * six times its size.
 */
import * as v from 'valibot';
import type { LinearSvm } from '../protocol/use/classify.ts';
import { JsonError, parseBoundedJson } from '../common/bounded_json.ts';
import { decodeBase64, encodeFloats } from './base64.ts';

const FORMAT = 'facenet-webgpu-trainer classifier';
const MAXIMUM_JSON_VALUES = 1_000_000;
const MAXIMUM_VALUES = 256 * 1024 * 1024;

export class ClassifierFileError extends Error {
  override name = 'ClassifierFileError';
  constructor(problem: string) {
    super(`The classifier file cannot be used: ${problem}. Create it again with classify TRAIN.`);
  }
}

export interface Classifier {
  readonly classNames: readonly string[];
  /** The name of the model that made the embeddings for training. */
  readonly modelName: string;
  readonly svm: LinearSvm;
}

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
const ClassifierSchema = v.object({
  format: v.literal(FORMAT),
  model: v.string(),
  embedding_size: count,
  class_names: v.array(v.string()),
  weights: v.string(),
  biases: v.string(),
  slopes: v.string(),
  offsets: v.string(),
});

export function encodeClassifier({ classNames, modelName, svm }: Classifier): string {
  return JSON.stringify({
    format: FORMAT,
    model: modelName,
    embedding_size: svm.dimension,
    class_names: classNames,
    weights: encodeFloats(svm.weights),
    biases: encodeFloats(svm.biases),
    slopes: encodeFloats(svm.slopes),
    offsets: encodeFloats(svm.offsets),
  });
}

/** @throws ClassifierFileError */
export function decodeClassifier(text: string): Classifier {
  let json: unknown;
  try {
    json = parseBoundedJson(text, MAXIMUM_JSON_VALUES);
  } catch (error) {
    throw error instanceof JsonError ? new ClassifierFileError(`it ${error.message}`) : error;
  }
  const result = v.safeParse(ClassifierSchema, json, { abortEarly: true });
  if (!result.success)
    throw new ClassifierFileError(
      `${v.getDotPath(result.issues[0])?.slice(0, 80) ?? 'its content'} is not as expected`,
    );
  const { model, embedding_size: dimension, class_names: classNames, ...values } = result.output;
  const classes = classNames.length;
  if (classes < 2 || classes * dimension > MAXIMUM_VALUES)
    throw new ClassifierFileError(`it has ${classes} people and embeddings of ${dimension} values`);
  return {
    classNames,
    modelName: model,
    svm: {
      dimension,
      classes,
      weights: decodeFloats(values.weights, classes * dimension),
      biases: decodeFloats(values.biases, classes),
      slopes: decodeFloats(values.slopes, classes),
      offsets: decodeFloats(values.offsets, classes),
    },
  };
}

function decodeFloats(text: string, length: number): Float32Array {
  const bytes = decodeBase64(text);
  if (!bytes) throw new ClassifierFileError('its values are not base64');
  if (bytes.length !== 4 * length) throw new ClassifierFileError('its values are incomplete');
  const values = new Float32Array(bytes.buffer);
  if (values.some((value) => !Number.isFinite(value)))
    throw new ClassifierFileError('some of its values are not numbers');
  return values;
}
