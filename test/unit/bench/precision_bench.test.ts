/** The precision benchmark's arithmetic and its file of finished runs. */
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { appendPrecisionRun, readPrecisionRuns } from '../../../bench/precision/precision_results.ts';
import { narrowGraph } from '../../../bench/precision/narrow_graph.ts';
import {
  learnableBatch,
  type PrecisionKind,
  type PrecisionOptions,
  type PrecisionRun,
} from '../../../bench/precision/precision_run.ts';
import { summarizePrecision } from '../../../bench/precision/precision_summary.ts';
import { buildModel } from '../../../workers/compute/graph/models/index.ts';
import { inferShapes } from '../../../workers/compute/graph/shapes.ts';
import { elementCount } from '../../../workers/protocol/tensor.ts';

const options: PrecisionOptions = {
  model: 'squeezenet',
  narrow: 1,
  batch: 4,
  imageSize: 24,
  classes: 3,
  steps: 4,
  learningRate: 0.02,
};

function runOf(kind: PrecisionKind, start: number, losses: readonly number[]): PrecisionRun {
  return { kind, start, adapter: 'none', bytes: 1, stepMs: 10 * start, losses, skippedSteps: start };
}

describe('summarizePrecision', () => {
  it('takes the second half of the steps, and differences from the same start', () => {
    const summary = summarizePrecision([
      runOf('float32', 1, [9, 9, 1, 3]),
      runOf('float16', 2, [9, 9, 5, 5]),
      runOf('float32', 2, [9, 9, 4, 4]),
      runOf('float16', 1, [9, 9, 2, 6]),
    ]);
    expect(summary.map(({ kind }) => kind)).toEqual(['float32', 'float16']);
    const [float32, float16] = summary;
    expect(float32).toMatchObject({ starts: 2, finalLoss: 3, difference: 0, stepMs: 15, skippedSteps: 3 });
    expect(float32!.finalLossDeviation).toBeCloseTo(Math.SQRT2, 12);
    // 4 − 2 and 5 − 4: mean 1.5, deviation √0.5, standard error 0.5.
    expect(float16).toMatchObject({ finalLoss: 4.5, difference: 1.5 });
    expect(float16!.differenceError).toBeCloseTo(0.5, 12);
  });

  it('has no spread for one start', () => {
    const [float16] = summarizePrecision([runOf('float16', 1, [2, 1])]);
    expect(float16!.finalLoss).toBe(1);
    expect(float16!.finalLossDeviation).toBeNaN();
    expect(float16!.difference).toBeNaN();
  });
});

describe('the file of finished runs', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'precision-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  it('gives back the runs with the same options, also after one that was cut off', () => {
    const path = join(folder, 'runs.jsonl');
    expect(readPrecisionRuns(path, options)).toEqual([]);
    const [first, second] = [runOf('float32', 1, [2, 1]), runOf('float16', 1, [3, 2])];
    appendPrecisionRun(path, options, first);
    appendPrecisionRun(path, { ...options, batch: 16 }, second);
    appendFileSync(path, '\n{"options":{"model":"sq');
    appendPrecisionRun(path, options, second);
    expect(readPrecisionRuns(path, options)).toEqual([first, second]);
    expect(readPrecisionRuns(path, { ...options, steps: 5 })).toEqual([]);
  });

  it('is refused before anything is trained if it cannot be written', () => {
    expect(() => readPrecisionRuns(join(folder, 'missing', 'runs.jsonl'), options)).toThrow(
      /runs\.jsonl cannot be written/,
    );
  });

  it('is refused if it holds something else', () => {
    const path = join(folder, 'notes.txt');
    writeFileSync(path, 'shopping\n');
    expect(() => readPrecisionRuns(path, options)).toThrow(/notes\.txt, line 1.*--results/);
  });
});

it.each(['inception_resnet_v1', 'squeezenet'])('narrows %s to a graph whose shapes fit', (name) => {
  const graph = buildModel(name, { embeddingSize: 16, classes: 3 });
  expect(narrowGraph(graph, 1)).toBe(graph);
  const narrow = narrowGraph(graph, 4);
  const shapes = inferShapes(narrow, { batchSize: 2, imageSize: graph.minimumImageSize });
  const parameters = new Map(narrow.parameters.map((spec) => [spec.name, spec.shape]));
  for (const node of narrow.nodes) {
    const channels = shapes.get(node.name)!.at(-1)!;
    if (node.kind === 'conv2d' || node.kind === 'dense')
      expect(parameters.get(node.weights)!.slice(-2), node.name).toEqual([
        shapes.get(node.input)!.at(-1),
        channels,
      ]);
    if (node.kind === 'batch_norm') expect(parameters.get(node.beta), node.name).toEqual([channels]);
    if (node.kind === 'residual_add')
      expect(shapes.get(node.residual), node.name).toEqual(shapes.get(node.input));
  }
  expect(shapes.get(graph.outputs.embeddings)).toEqual([2, 16]);
  const count = (all: typeof graph.parameters): number =>
    all.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  expect(count(narrow.parameters)).toBeLessThan(count(graph.parameters) / 8);
});

it('draws other batches for other starts and steps, and the same again', () => {
  const batch = learnableBatch(options, 1, 0);
  expect(batch.pixels).toHaveLength(4 * 24 * 24 * 3);
  expect(learnableBatch(options, 1, 0)).toEqual(batch);
  expect(learnableBatch(options, 2, 0).pixels).not.toEqual(batch.pixels);
  expect(learnableBatch(options, 1, 1).pixels).not.toEqual(batch.pixels);
  for (const label of batch.labels) expect(label < 3 && label >= 0).toBe(true);
});
