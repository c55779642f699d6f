/**
 * Reads the weights of a TensorFlow.js graph model (see tfjs_graph_model.ts) by name, a tensor at a time. Only its
 * manifest and metadata are used; the topology is not run here.
 */
import * as v from 'valibot';
import type { ReadableDirectory } from '../dataset/directory.ts';
import { elementCount, type HostTensor } from '../graph/tensor.ts';

/** model.json of this program's models has about 300 kB. */
const MAXIMUM_JSON_BYTES = 64 * 1024 * 1024;

export class TfjsModelError extends Error {
  override name = 'TfjsModelError';
  constructor(path: string, problem: string) {
    super(
      `${path} cannot be read as a TensorFlow.js model: ${problem}. Choose the folder that an export of this program wrote, with model.json and all its .bin files.`,
    );
  }
}

const size = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const ManifestSchema = v.array(
  v.object({
    paths: v.array(v.string()),
    weights: v.array(
      v.object({
        name: v.string(),
        shape: v.array(size),
        dtype: v.string(),
        quantization: v.optional(v.unknown()),
      }),
    ),
  }),
);
const ModelSchema = v.object({
  format: v.literal('graph-model'),
  weightsManifest: ManifestSchema,
  userDefinedMetadata: v.optional(v.record(v.string(), v.unknown())),
});

interface StoredWeight {
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly group: number;
  readonly offset: number;
}

export class TfjsGraphModelFile {
  /** The path of model.json in its folder. */
  readonly path: string;
  readonly metadata: ReadonlyMap<string, unknown>;
  readonly weights: ReadonlyMap<string, StoredWeight>;
  /** Each group's shards as one. */
  readonly #groups: readonly Blob[];

  private constructor(
    path: string,
    metadata: ReadonlyMap<string, unknown>,
    weights: ReadonlyMap<string, StoredWeight>,
    groups: readonly Blob[],
  ) {
    this.path = path;
    this.metadata = metadata;
    this.weights = weights;
    this.#groups = groups;
  }

  /** @throws TfjsModelError, and what the folder throws for a shard that is missing */
  static async open(directory: ReadableDirectory, path: string): Promise<TfjsGraphModelFile> {
    const model = await readModelJson(await directory.read(path), path);
    const folder = path.slice(0, path.lastIndexOf('/') + 1);
    const weights = new Map<string, StoredWeight>();
    const groups: Blob[] = [];
    for (const [group, { paths, weights: specs }] of model.weightsManifest.entries()) {
      let offset = 0;
      for (const { name, shape, dtype, quantization } of specs) {
        if (quantization !== undefined)
          throw new TfjsModelError(path, `"${name}" is quantized, which is not read here`);
        if (weights.has(name)) throw new TfjsModelError(path, `it names "${name}" twice`);
        if (dtype !== 'float32' && dtype !== 'int32')
          throw new TfjsModelError(path, `"${name}" has the number format ${dtype}`);
        weights.set(name, { shape, dtype, group, offset });
        offset += 4 * elementCount(shape);
      }
      const shards: Blob[] = [];
      for (const shard of paths) {
        checkShardPath(shard, path);
        shards.push(await directory.read(folder + shard));
      }
      // Blobs of blobs: the shards are not read here.
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
      new Map(Object.entries(model.userDefinedMetadata ?? {})),
      weights,
      groups,
    );
  }

  /** @throws TfjsModelError for a name that is not there, or is no float32 tensor */
  async read(name: string): Promise<HostTensor> {
    const stored = this.weights.get(name);
    if (stored?.dtype !== 'float32') throw new TfjsModelError(this.path, `there is no tensor "${name}"`);
    const { shape, group, offset } = stored;
    const buffer = await this.#groups[group]!.slice(offset, offset + 4 * elementCount(shape)).arrayBuffer();
    return { shape, data: new Float32Array(buffer) };
  }
}

async function readModelJson(blob: Blob, path: string): Promise<v.InferOutput<typeof ModelSchema>> {
  if (blob.size > MAXIMUM_JSON_BYTES)
    throw new TfjsModelError(path, `it has ${blob.size} bytes, far more than a model's description`);
  let json: unknown;
  try {
    json = JSON.parse(await blob.text());
  } catch {
    throw new TfjsModelError(path, 'it is no JSON');
  }
  const format = (json as { format?: unknown } | null)?.format;
  if (format === 'layers-model')
    throw new TfjsModelError(
      path,
      'it is a layers model; only graph models that this program exported are read',
    );
  const result = v.safeParse(ModelSchema, json);
  if (!result.success) {
    const [issue] = result.issues;
    throw new TfjsModelError(path, `${v.getDotPath(issue) ?? 'its content'} is not as expected`);
  }
  return result.output;
}

/** A name in the same folder or below; nothing else is ever opened on behalf of a file. */
function checkShardPath(shard: string, path: string): void {
  const parts = shard.split('/');
  if (shard.includes('\\') || parts.some((part) => part === '' || part === '.' || part === '..'))
    throw new TfjsModelError(path, `it names a weight file "${shard}" outside of its folder`);
}
