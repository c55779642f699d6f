/**
 * A run's settings as a JSON file, to keep and to share. Options that a file does not name have the original's default;
 * one that it names and this program does not know is refused, since the run would not be the one that was meant.
 */
import * as v from 'valibot';
import { JsonError, parseBoundedJson } from '../../common/bounded_json.ts';
import {
  defaultTrainingOptions,
  TRAINING_OPTIONS,
  type OptionName,
  type TrainingOptions,
} from './options.ts';
import { validateOptions, valueProblem } from './validate_options.ts';

const FORMAT = 'facenet-training-configuration';
const VERSION = 1;
/** There are about 60 options. */
const MAXIMUM_JSON_VALUES = 10_000;

export class ConfigurationError extends Error {
  override name = 'ConfigurationError';
  /** The key that is to blame, if one is. */
  readonly key: string | undefined;
  constructor(message: string, key?: string) {
    super(message);
    this.key = key;
  }
}

export function formatConfiguration(options: TrainingOptions): string {
  const ordered = Object.fromEntries(TRAINING_OPTIONS.map(({ name }) => [name, options[name]]));
  return `${JSON.stringify({ format: FORMAT, version: VERSION, options: ordered }, undefined, 2)}\n`;
}

/** Each option may be missing; one that is there is held to its own type, limits and choices. */
const optionsSchema = v.strictObject(
  Object.fromEntries(
    TRAINING_OPTIONS.map((spec) => [
      spec.name,
      v.optional(
        v.pipe(
          v.unknown(),
          v.rawCheck(({ dataset, addIssue }) => {
            const message = valueProblem(spec, dataset.value);
            if (message !== undefined) addIssue({ message });
          }),
        ),
      ),
    ]),
  ),
);

const envelopeSchema = v.object({
  format: v.literal(FORMAT),
  version: v.number(),
  options: v.record(v.string(), v.unknown()),
});

/**
 * @throws ConfigurationError naming the key; also for settings that do not fit each other
 */
export function parseConfiguration(text: string): TrainingOptions {
  const envelope = v.safeParse(envelopeSchema, parseJson(text));
  if (!envelope.success)
    throw new ConfigurationError(
      `This is not a training configuration: it needs "format": "${FORMAT}", a "version" and "options". Save your settings to a file to see an example.`,
    );
  const { version, options: stated } = envelope.output;
  if (version !== VERSION)
    throw new ConfigurationError(
      `The configuration has version ${version}; this program reads version ${VERSION}. It was written by a newer program.`,
      'version',
    );
  const parsed = v.safeParse(optionsSchema, stated);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    const key = String(issue.path?.[0]?.key);
    throw new ConfigurationError(
      Object.hasOwn(optionsSchema.entries, key)
        ? `${key} cannot be ${shorten(stated[key])}. ${issue.message}`
        : `There is no setting "${key}". Remove it or correct its name.`,
      key,
    );
  }
  const given = parsed.output as Partial<Record<OptionName, unknown>>;
  const options = { ...defaultTrainingOptions(), ...given } as TrainingOptions;
  const problem = validateOptions(options).find(({ severity }) => severity === 'error');
  if (problem) throw new ConfigurationError(`${problem.option}: ${problem.message}`, problem.option);
  return options;
}

function parseJson(text: string): unknown {
  try {
    return parseBoundedJson(text, MAXIMUM_JSON_VALUES);
  } catch (error) {
    throw error instanceof JsonError ? new ConfigurationError(`The configuration ${error.message}.`) : error;
  }
}

function shorten(value: unknown): string {
  const json = JSON.stringify(value);
  return json.length > 60 ? `${json.slice(0, 60)}…` : json;
}
