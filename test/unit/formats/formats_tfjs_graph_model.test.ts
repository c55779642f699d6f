import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { MemoryDirectory } from '../../../workers/files/memory_directory.ts';
import {
  foldBatchNorms,
  foldedGraph,
  unfoldBatchNorms,
} from '../../../workers/compute/graph/fold_batch_norm.ts';
import {
  SHARD_BYTES,
  tfjsGraphModelFiles,
  type ExportedFile,
} from '../../../workers/models/tfjs_graph_model.ts';
import { TfjsGraphModelFile, TfjsModelError } from '../../../workers/formats/tfjs_graph_reader.ts';
import { hashedParameters, hashedPixels } from '../../../workers/compute/graph/hashed_tensors.ts';
import { buildModel } from '../../../workers/compute/graph/models/index.ts';
import type { NamedTensors } from '../../../workers/protocol/tensor.ts';
import { referenceEmbedding, smallGraph, withGammas } from './formats_reference.ts';

const SIZE = 17;

function standardizedPixels(count: number, size: number, seed = 3): Float32Array {
  return Float32Array.from(hashedPixels(count, size, seed), (p) => (p - 127.5) / 128);
}

function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, bound: number): void {
  expect(actual.length).toBe(expected.length);
  let largest = 0;
  for (let i = 0; i < actual.length; i++) largest = Math.max(largest, Math.abs(actual[i]! - expected[i]!));
  expect(largest).toBeLessThanOrEqual(bound);
}

/** Loads with stock TensorFlow.js, as from a web address. */
function loadFromWeb(files: readonly ExportedFile[]): Promise<tf.GraphModel> {
  const byAddress = new Map(files.map(({ path, content }) => [`https://example.org/m/${path}`, content]));
  const fetchFunc = async (address: unknown): Promise<Response> => {
    const content = byAddress.get(String(address));
    return content ? new Response(content) : new Response(null, { status: 404 });
  };
  return tf.loadGraphModel('https://example.org/m/model.json', { fetchFunc });
}

beforeAll(async () => {
  await tf.setBackend('cpu');
});

describe('folding batch norms', () => {
  const graphs = [
    ['without gamma', smallGraph()],
    ['with gamma', withGammas(smallGraph())],
  ] as const;

  it.each(graphs)('keeps the embeddings and has no foldable batch norm left (%s)', (_, graph) => {
    fc.assert(
      fc.property(fc.nat(1e6), (seed) => {
        const parameters = hashedParameters(graph, seed);
        const folded = foldBatchNorms(graph, parameters);
        const image = standardizedPixels(1, SIZE, seed);
        const expected = referenceEmbedding(graph, parameters, image, SIZE);
        expectClose(referenceEmbedding(folded.graph, folded.parameters, image, SIZE), expected, 2e-6);
        const unfolded = unfoldBatchNorms(graph, folded.parameters);
        expectClose(referenceEmbedding(graph, unfolded, image, SIZE), expected, 2e-6);
      }),
      { numRuns: 30 },
    );
    const kinds = foldedGraph(graph).nodes.map(({ kind }) => kind);
    // The batch norm that does not follow a layer.
    expect(kinds.filter((kind) => kind === 'batch_norm')).toHaveLength(1);
    expect(kinds).not.toContain('dropout');
  });

  it('describes exactly the parameters it makes', () => {
    const graph = buildModel('inception_resnet_v1', { embeddingSize: 4, classes: 0 });
    const folded = foldBatchNorms(graph, hashedParameters(graph, 1));
    expect(folded.graph).toEqual(foldedGraph(graph));
    expect(new Map(folded.graph.parameters.map(({ name, shape }) => [name, [...shape]]))).toEqual(
      new Map([...folded.parameters].map(([name, { shape }]) => [name, [...shape]])),
    );
    expect(folded.graph.nodes.some(({ kind }) => kind === 'batch_norm' || kind === 'dropout')).toBe(false);
    expect(folded.graph.nodes.every((node) => node.kind !== 'residual_add' || node.scale === 1)).toBe(true);
    const unfolded = unfoldBatchNorms(graph, folded.parameters);
    expect([...unfolded.keys()]).toEqual(graph.parameters.map(({ name }) => name));
  });

  it('leaves a layer alone whose output is read twice', () => {
    const graph = smallGraph();
    const parameters = hashedParameters(graph, 1);
    // A second node also reads the input of the first batch norm.
    const shared = {
      ...graph,
      nodes: graph.nodes.flatMap((node) =>
        node.name === 'Small/Up'
          ? [
              node,
              {
                kind: 'residual_add',
                name: 'extra',
                input: 'Small/Up',
                residual: 'Small/Up',
                scale: 0.5,
              } as const,
            ]
          : node.kind === 'residual_add' && node.residual === 'Small/Up'
            ? [{ ...node, residual: 'extra' }]
            : [node],
      ),
    };
    const image = standardizedPixels(1, SIZE);
    const folded = foldBatchNorms(shared, parameters);
    expectClose(
      referenceEmbedding(folded.graph, folded.parameters, image, SIZE),
      referenceEmbedding(shared, parameters, image, SIZE),
      2e-6,
    );
  });
});

describe('TensorFlow.js graph models', () => {
  const evaluate = async (
    files: readonly ExportedFile[],
    count: number,
    size: number,
  ): Promise<Float32Array> => {
    const model = await loadFromWeb(files);
    expect(model.inputs.map(({ name, shape }) => ({ name, shape }))).toEqual([
      { name: 'input', shape: [-1, size, size, 3] },
    ]);
    const input = tf.tensor4d(standardizedPixels(count, size), [count, size, size, 3]);
    const output = model.predict({ input }) as tf.Tensor2D;
    const values = (await output.data()) as Float32Array;
    tf.dispose([input, output]);
    model.dispose();
    return values;
  };

  it.each([
    ['without gamma', smallGraph()],
    ['with gamma', withGammas(smallGraph())],
  ])('give the embeddings of a float64 evaluation, for any batch size (%s)', async (_, graph) => {
    const parameters: NamedTensors = hashedParameters(graph, 5);
    const files = tfjsGraphModelFiles(graph, parameters, SIZE, { note: 'x' });
    for (const count of [1, 3]) {
      const images = standardizedPixels(count, SIZE);
      const expected = Array.from({ length: count }, (__, i) => [
        ...referenceEmbedding(
          graph,
          parameters,
          images.subarray(i * SIZE * SIZE * 3, (i + 1) * SIZE * SIZE * 3),
          SIZE,
        ),
      ]).flat();
      expectClose(await evaluate(files, count, SIZE), expected, 1e-6);
    }
  });

  it('fuse bias and ReLU into the convolutions, and cut the weights into shards of at most 4 MB', async () => {
    const graph = buildModel('inception_resnet_v1', { embeddingSize: 16, classes: 0 });
    const files = tfjsGraphModelFiles(graph, hashedParameters(graph, 1), 80, {});
    expect(files.at(-1)!.path).toBe('model.json');
    const model = JSON.parse(await files.at(-1)!.content.text()) as {
      modelTopology: { node: { op: string }[] };
      weightsManifest: { paths: string[]; weights: { shape: number[] }[] }[];
    };
    const count = (op: string): number => model.modelTopology.node.filter((node) => node.op === op).length;
    expect(count('_FusedConv2D')).toBe(132);
    expect(count('_FusedMatMul')).toBe(1);
    // The only ones left follow the additions: 5 + 10 + 5.
    expect(count('Relu')).toBe(20);
    expect(count('FusedBatchNormV3')).toBe(0);
    // The l2 normalisation's; the residual scales are folded.
    expect(count('Mul')).toBe(1);
    const [{ paths, weights }] = model.weightsManifest as [(typeof model.weightsManifest)[0]];
    expect(files.slice(0, -1).map(({ path }) => path)).toEqual(paths);
    const sizes = files.slice(0, -1).map(({ content }) => content.size);
    expect(Math.max(...sizes)).toBe(SHARD_BYTES);
    const values = weights.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
    expect(sizes.reduce((a, b) => a + b)).toBe(4 * values);
  });
});

describe('reading weights back', () => {
  const graph = smallGraph();
  const files = tfjsGraphModelFiles(graph, hashedParameters(graph, 5), SIZE, { format: 'x' });
  const folder = (): MemoryDirectory => {
    const directory = new MemoryDirectory('export');
    for (const { path, content } of files) directory.files.set(`a/${path}`, content);
    return directory;
  };
  const edit = async (change: (model: Record<string, never>) => unknown): Promise<MemoryDirectory> => {
    const directory = folder();
    const model = JSON.parse(await directory.files.get('a/model.json')!.text());
    directory.files.set('a/model.json', new Blob([JSON.stringify(change(model) ?? model)]));
    return directory;
  };

  it('gives the folded values', async () => {
    const file = await TfjsGraphModelFile.open(folder(), 'a/model.json');
    expect(file.metadata.get('format')).toBe('x');
    const { parameters } = foldBatchNorms(graph, hashedParameters(graph, 5));
    for (const [name, { data }] of parameters) expect((await file.read(name)).data).toEqual(data);
    await expect(file.read('axes/channels')).rejects.toThrow(TfjsModelError);
  });

  it('names what is wrong', async () => {
    const problem = async (directory: MemoryDirectory): Promise<string> => {
      const error = await TfjsGraphModelFile.open(directory, 'a/model.json').catch((e: unknown) => e);
      expect(error).toBeInstanceOf(Error);
      return (error as Error).message;
    };
    const cut = folder();
    const shard = [...cut.files.keys()].find((path) => path.endsWith('.bin'))!;
    cut.files.set(shard, cut.files.get(shard)!.slice(0, -4));
    expect(await problem(cut)).toMatch(/weight files have/);
    cut.files.delete(shard);
    expect(await problem(cut)).toMatch(/shard/);
    const other = folder();
    other.files.set('a/model.json', new Blob(['{']));
    expect(await problem(other)).toMatch(/not valid JSON/);
    expect(await problem(await edit(() => ({ format: 'other-model' })))).toMatch(/format is not as expected/);
    expect(await problem(await edit(() => ({ format: 'graph-model' })))).toMatch(/weightsManifest/);
    expect(await problem(await edit(() => []))).toMatch(/not as expected/);
    const outside = await edit((model: Record<string, never>) => {
      (model['weightsManifest'] as unknown as [{ paths: string[] }])[0].paths[0] = '../secret.bin';
    });
    expect(await problem(outside)).toMatch(/outside/);
  });

  it('meets any damaged model.json with a clear error, or reads it', async () => {
    const original = await files.at(-1)!.content.text();
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(original.length - 1), fc.constantFrom(...'{}[]",:0129-.en \u0000')), {
          minLength: 1,
          maxLength: 4,
        }),
        async (changes) => {
          const text = [...original];
          for (const [at, char] of changes) text[at] = char;
          const directory = folder();
          directory.files.set('a/model.json', new Blob([text.join('')]));
          try {
            const file = await TfjsGraphModelFile.open(directory, 'a/model.json');
            for (const [name, { dtype }] of file.weights) if (dtype === 'float32') await file.read(name);
          } catch (error) {
            expect(['TfjsModelError', 'FileMissingError']).toContain((error as Error).name);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});
