/** Models with untrusted metadata: where their texts are used, and what an export says about people. */
import { describe, expect, it } from 'vitest';
import { MemoryDirectory } from '../../../workers/files/memory_directory.ts';
import { hashedParameters } from '../../../workers/compute/graph/hashed_tensors.ts';
import { buildModel } from '../../../workers/compute/graph/models/index.ts';
import { startFromPretrained } from '../../../workers/jobs/train/pretrained.ts';
import { modelFiles } from '../../../workers/models/export_files.ts';
import { loadFromDirectory, modelEvaluation } from '../../../workers/models/load_model.ts';
import { modelCard, snippetOf } from '../../../workers/models/model_card.ts';
import { readModelFile, writeModelFile } from '../../../workers/models/model_file.ts';
import { javascriptString, pythonString } from '../../../workers/protocol/escape_text.ts';
import type { EvaluationOverview } from '../../../workers/protocol/evaluate/evaluate.ts';
import type { ExportFormat } from '../../../workers/protocol/models/export.ts';
import type { Trainer } from '../../../workers/compute/executor.ts';

const graph = buildModel('squeezenet', { embeddingSize: 8, classes: 3 });
const parameters = hashedParameters(graph, 3);
const EVIL = 'x"); __import__("os").system("true") #';
const metadata = {
  model_def: 'squeezenet',
  embedding_size: 8,
  image_size: 96,
  use_fixed_image_standardization: true,
  class_names: ['Ann Secret', 'Bob Secret', 'Zoë Secret'],
  dataset: 'faces',
  step: 60,
  run: '20260102-030405',
};
const FORMATS: readonly ExportFormat[] = ['tfjs', 'onnx', 'safetensors'];

const readBack = (changes: object, name = 'mine.safetensors') =>
  readModelFile(writeModelFile(parameters, { ...metadata, ...changes }), name);

describe('a model’s metadata', () => {
  it.each(['/../evil', '../../evil', EVIL, 'a\nb', '..\\evil', '\u202egnp'])(
    'moves no exported file and adds no code: run %j',
    async (run) => {
      const model = await readBack({ run });
      for (const format of FORMATS) {
        for (const { path } of modelFiles(model, { format })) expect(path).toMatch(/^[\w][\w.-]*$/);
      }
    },
  );

  it('of a hostile file name adds no code either', async () => {
    const { run: _run, ...rest } = metadata;
    const blob = writeModelFile(parameters, rest);
    const model = await readModelFile(blob, `${EVIL}.safetensors`);
    for (const format of FORMATS) {
      const { path } = modelFiles(model, { format }).at(-1)!;
      const { code } = snippetOf(model, { format }, path);
      expect(code).not.toContain('__import__("os")');
      // Names from elsewhere are also a single literal.
      const literal = format === 'tfjs' ? javascriptString(EVIL) : pythonString(EVIL);
      expect(snippetOf(model, { format }, EVIL).code).toContain(`(${literal})`);
    }
  });

  it('is not markup on the card, and adds no line', async () => {
    const hostile = 'a\n\n# Licence\nfree for all <img src=x> [b](http://c) | d';
    const evaluation = {
      images: hostile,
      pairs: 1,
      accuracy: 1,
      accuracyStd: 0,
      val: 1,
      valStd: 0,
      far: 0,
      farTarget: 0.001,
      auc: 1,
      eer: 0,
    };
    const model = await readBack({
      dataset: hostile,
      evaluations: [evaluation],
      options: { learning_rate_schedule: 'x\u001b[2J\n# y' },
    });
    const card = modelCard({ ...model, name: hostile }, { format: 'onnx' }, 'm.onnx');
    expect(card.match(/^# .*$/gm)).toHaveLength(1);
    expect(card.match(/^## Licence$/gm)).toHaveLength(1);
    expect(card).not.toMatch(/(?<!\\)<img|\]\(http/);
    expect(card).not.toContain('\u001b');
    const row = card.split('\n').find((line) => line.includes('free for all') && line.startsWith('| '))!;
    expect(row.split(/(?<!\\)\|/)).toHaveLength(13);
  });
});

describe('the names of the people that a model was trained on', () => {
  it.each(FORMATS)('are in no export (%s), unless they are asked for', async (format) => {
    const model = await readBack({});
    const textOf = async (includeClassNames: boolean): Promise<string> => {
      const files = modelFiles(model, { format, includeClassNames });
      const parts = await Promise.all(
        files.map(async ({ content }) => Buffer.from(await content.arrayBuffer())),
      );
      return Buffer.concat(parts).toString('utf8') + modelCard(model, { format, includeClassNames }, 'm');
    };
    expect(await textOf(false)).not.toContain('Secret');
    expect(await textOf(false)).toContain('3 people');
    expect(await textOf(true)).toContain('Zoë Secret');
  });

  it('are not needed to know whether a classifier is for the same people', async () => {
    const model = await readBack({});
    const folder = new MemoryDirectory('export');
    for (const { path, content } of modelFiles(model, { format: 'safetensors' }))
      await folder.write(path, content);
    expect((await loadFromDirectory(folder)).metadata).toMatchObject({ class_count: 3 });
    const [{ path } = { path: '' }] = modelFiles(model, { format: 'safetensors' });
    const file = new File([await folder.read(path)], path);
    const start = async (names: readonly string[]): Promise<readonly string[]> => {
      let taken: readonly string[] = [];
      const executor = {
        settings: { useFixedImageStandardization: true },
        writeParameters: async (tensors: ReadonlyMap<string, unknown>) => void (taken = [...tensors.keys()]),
      } as unknown as Trainer;
      await startFromPretrained(executor, graph, names, { kind: 'file', file });
      return taken;
    };
    expect(await start(metadata.class_names)).toContain('Logits/weights');
    expect(await start(['Cy', 'Dan', 'Eve'])).not.toContain('Logits/weights');
  });
});

describe('the model card', () => {
  const result = {
    accuracy: 0.99,
    accuracyStd: 0.01,
    val: 0.9,
    valStd: 0.02,
    far: 0.001,
    farTarget: 0.001,
    auc: 0.99,
    eer: 0.01,
    pairCount: 600,
    bestThresholdPerFold: [0.9, 1.1],
  };
  const overview = (imagesName: string, options = {}) =>
    ({
      imagesName,
      result,
      options: {
        lfw_distance_metric: 0,
        lfw_use_flipped_images: false,
        lfw_subtract_mean: false,
        ...options,
      },
    }) as unknown as EvaluationOverview;

  it('says that a model was measured on what it was trained on, and with which threshold', async () => {
    const evaluations = [
      modelEvaluation(overview('faces', { lfw_distance_metric: 1, lfw_subtract_mean: true }), 'faces'),
      modelEvaluation(overview('lfw'), 'faces'),
    ];
    const model = await readBack({ evaluations });
    expect(model.metadata?.evaluations).toMatchObject([
      { seen_in_training: true, threshold: 1, distance_metric: 1, subtract_mean: true },
      { threshold: 1, distance_metric: 0, subtract_mean: false },
    ]);
    const card = modelCard(model, { format: 'onnx' }, 'm.onnx');
    expect(card).toContain('| faces | yes | 600 |');
    expect(card).toContain('| lfw | not known | 600 |');
    expect(card).toContain('the model was trained on these images');
    expect(card).toContain('- lfw: same person if the squared Euclidean distance is below 1.000.');
    expect(card).toMatch(
      /- faces: same person if the angle \/ π .* is below 1\.000, after the mean embedding/,
    );
  });

  it('says how a face is cut out, so that it can be done again', async () => {
    const card = modelCard(await readBack({}), { format: 'tfjs' }, 'model.json');
    expect(card).toContain('## Alignment');
    expect(card).toMatch(/MTCNN[\s\S]*margin[\s\S]*BILINEAR/);
    expect(card).toContain('facenet align PHOTOS FACES --image_size 96 --margin 32');
    expect(card).not.toContain('trained on these images');
  });
});
