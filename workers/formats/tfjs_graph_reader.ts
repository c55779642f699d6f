/**
 * Reads the weights of a TensorFlow.js model (see tfjs_graph_model.ts) by name, one tensor at a time. Only the
 * manifest and the metadata are used; the topology is not executed. Graph models and layers models have the same
 * manifest.
 *
 * Bounds. model.json has at most 64 MiB and two million values (see bounded_json.ts), and takes linear time and
 * memory. Each weight file occurs once, and the files have exactly the bytes that the manifest needs. Reading a tensor
 * takes linear time, and memory for its bytes and twice its values as float32. A signal can cancel opening and
 * reading.
 */
import * as v from 'valibot';
import type { ReadableDirectory } from '../protocol/data/directories.ts';
import { elementCount } from '../protocol/tensor.ts';
import { type HostTensor } from '../protocol/tensor.ts';
import { JsonError, parseBoundedJson } from '../common/bounded_json.ts';
import { NUMBER_FORMATS } from './float_formats.ts';
import { quoted } from '../protocol/quoted.ts';

/** The model.json of this program's models has about 300 kB. */
const MAXIMUM_JSON_BYTES = 64 * 1024 * 1024;
const MAXIMUM_JSON_VALUES = 2_000_000;
const MAXIMUM_AXES = 8;

export class TfjsModelError extends Error {
  override name = 'TfjsModelError';
  constructor(path: string, problem: string) {
    super(
      `${path} cannot be read as a TensorFlow.js model: ${problem}. Choose the folder that an export of this program wrote, with model.json and all its .bin files.`,
    );
  }
}

const size = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
/** Quantization of tensorflowjs_converter: value = stored · scale + min. float16 has neither. */
const QuantizationSchema = v.object({
  dtype: v.picklist(['float16', 'uint8', 'uint16']),
  scale: v.optional(v.number()),
  min: v.optional(v.number()),
});
const ManifestSchema = v.array(
  v.object({
    paths: v.array(v.string()),
    weights: v.array(
      v.object({
        name: v.string(),
        shape: v.pipe(v.array(size), v.maxLength(MAXIMUM_AXES)),
        dtype: v.string(),
        quantization: v.optional(QuantizationSchema),
      }),
    ),
  }),
);
const ModelSchema = v.object({
  format: v.picklist(['graph-model', 'layers-model']),
  weightsManifest: ManifestSchema,
  userDefinedMetadata: v.optional(v.record(v.string(), v.unknown())),
});

interface StoredWeight {
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly group: number;
  readonly offset: number;
  readonly quantization?: v.InferOutput<typeof QuantizationSchema> | undefined;
}

const STORED_FORMATS = {
  float32: 'F32',
  int32: 'I32',
  float16: 'F16',
  uint8: 'U8',
  uint16: 'U16',
  bool: 'BOOL',
} as const;

export class TfjsGraphModelFile {
  /** The path of model.json in its folder. */
  readonly path: string;
  readonly format: 'graph-model' | 'layers-model';
  readonly metadata: ReadonlyMap<string, unknown>;
  readonly weights: ReadonlyMap<string, StoredWeight>;
  /** The joined shards of each group. */
  readonly #groups: readonly Blob[];
  readonly #signal: AbortSignal | undefined;

  private constructor(
    path: string,
    format: 'graph-model' | 'layers-model',
    metadata: ReadonlyMap<string, unknown>,
    weights: ReadonlyMap<string, StoredWeight>,
    groups: readonly Blob[],
    signal: AbortSignal | undefined,
  ) {
    this.path = path;
    this.format = format;
    this.metadata = metadata;
    this.weights = weights;
    this.#groups = groups;
    this.#signal = signal;
  }

  /**
   * @param signal cancels this, and later reading
   * @throws TfjsModelError, the folder's error if a shard is missing, and the signal's reason
   */
  static async open(
    directory: ReadableDirectory,
    path: string,
    signal?: AbortSignal,
  ): Promise<TfjsGraphModelFile> {
    signal?.throwIfAborted();
    const model = await readModelJson(await directory.read(path), path);
    const folder = path.slice(0, path.lastIndexOf('/') + 1);
    const weights = new Map<string, StoredWeight>();
    const groups: Blob[] = [];
    const shardNames = new Set<string>();
    for (const [group, { paths, weights: specs }] of model.weightsManifest.entries()) {
      let offset = 0;
      for (const { name, shape, dtype, quantization } of specs) {
        if (weights.has(name)) throw new TfjsModelError(path, `it names ${quoted(name)} twice`);
        if (dtype !== 'float32' && dtype !== 'int32' && dtype !== 'bool')
          throw new TfjsModelError(path, `${quoted(name)} has the number format ${dtype}`);
        weights.set(name, { shape, dtype, group, offset, quantization });
        offset += storedFormat({ dtype, quantization }).bytes * elementCount(shape);
      }
      const shards: Blob[] = [];
      for (const shard of paths) {
        signal?.throwIfAborted();
        checkShardPath(shard, path);
        if (shardNames.has(shard))
          throw new TfjsModelError(path, `it names the weight file ${quoted(shard)} twice`);
        shardNames.add(shard);
        shards.push(await directory.read(folder + shard));
      }
      // A Blob of Blobs, so the shards are not read here.
      const content = new Blob(shards);
      if (content.size !== offset)
        throw new TfjsModelError(
          path,
          `its weight files have ${content.size} bytes, but its manifest needs ${offset}`,
        );
      groups.push(content);
    }
    return new TfjsGraphModelFile(
      path,
      model.format,
      new Map(Object.entries(model.userDefinedMetadata ?? {})),
      weights,
      groups,
      signal,
    );
  }

  /** @throws TfjsModelError if the name is missing or is not a tensor of floats */
  async read(name: string): Promise<HostTensor> {
    const stored = this.weights.get(name);
    if (stored?.dtype !== 'float32')
      throw new TfjsModelError(this.path, `there is no tensor ${quoted(name)}`);
    const { shape, group, offset, quantization } = stored;
    const { bytes, toFloat32 } = storedFormat(stored);
    this.#signal?.throwIfAborted();
    const end = offset + bytes * elementCount(shape);
    const data = toFloat32!(await this.#groups[group]!.slice(offset, end).arrayBuffer());
    const { scale = 1, min = 0 } = quantization ?? {};
    return { shape, data: scale === 1 && min === 0 ? data : data.map((value) => value * scale + min) };
  }
}

function storedFormat({ dtype, quantization }: Pick<StoredWeight, 'dtype' | 'quantization'>) {
  return NUMBER_FORMATS.get(STORED_FORMATS[quantization?.dtype ?? (dtype as 'float32' | 'int32' | 'bool')])!;
}

async function readModelJson(blob: Blob, path: string): Promise<v.InferOutput<typeof ModelSchema>> {
  if (blob.size > MAXIMUM_JSON_BYTES)
    throw new TfjsModelError(path, `it has ${blob.size} bytes, far more than a model's description`);
  let json: unknown;
  try {
    json = parseBoundedJson(await blob.text(), MAXIMUM_JSON_VALUES);
  } catch (error) {
    throw error instanceof JsonError ? new TfjsModelError(path, `it ${error.message}`) : error;
  }
  const result = v.safeParse(ModelSchema, json, { abortEarly: true });
  if (!result.success) {
    const [issue] = result.issues;
    throw new TfjsModelError(
      path,
      `${v.getDotPath(issue)?.slice(0, 80) ?? 'its content'} is not as expected`,
    );
  }
  return result.output;
}

/** Checks that a shard is in the same folder or below it. A model file cannot open any other file. */
function checkShardPath(shard: string, path: string): void {
  const parts = shard.split('/');
  if (shard.includes('\\') || parts.some((part) => part === '' || part === '.' || part === '..'))
    throw new TfjsModelError(path, `it names a weight file ${quoted(shard)} outside of its folder`);
}
