/**
 * The commands that read a dataset, with a session whose jobs run in this process: for any tree of files, those that
 * are used, left out by reason and failed are all files, in what is printed and in --json.
 */
import fc from 'fast-check';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { BrowserSession } from '../../../cli/browser/browser_session.ts';
import { classifyCommand } from '../../../cli/commands/classify.ts';
import { embedCommand } from '../../../cli/commands/embed.ts';
import { inspectCommand } from '../../../cli/commands/inspect.ts';
import { validateCommand } from '../../../cli/commands/validate.ts';
import type { Command } from '../../../cli/arguments/command.ts';
import { UnreadableImageError } from '../../../workers/protocol/data/file_errors.ts';
import type { ReadImage } from '../../../workers/jobs/embed.ts';
import { evaluateOpenedPairs, openPairs } from '../../../workers/jobs/evaluate/evaluate_job.ts';
import { classify } from '../../../workers/jobs/use/classify_job.ts';
import type { JobControl } from '../../../workers/protocol/job_control.ts';
import { reportOnPhotos } from '../../../workers/jobs/use/inspect_report.ts';
import { embedFolder } from '../../../workers/jobs/models/embed_job.ts';
import type { LoadedModel } from '../../../workers/models/loaded_model.ts';
import type { ClassifyRequest } from '../../../workers/protocol/use/classify.ts';
import type { DirectoryReference } from '../../../workers/protocol/data/dataset.ts';
import type { EmbedRequest } from '../../../workers/protocol/models/embed.ts';
import type { EvaluateRequest } from '../../../workers/protocol/evaluate/evaluate.ts';
import type { InspectRequest } from '../../../workers/protocol/use/inspect.ts';
import { describeSkipped, type SkippedFiles } from '../../../workers/protocol/data/skipped_files.ts';
import type { EmbedderFactory, ImageBatch } from '../../../workers/compute/executor.ts';
import { smallGraph } from '../formats/formats_reference.ts';
import { runCommand } from './run_command.ts';

const SIZE = 8;
const MOST_AT_ONCE = 20;
const model: LoadedModel = {
  name: 'standin',
  graph: smallGraph(3),
  parameters: new Map(),
  imageSize: SIZE,
  useFixedImageStandardization: true,
};

const root = mkdtempSync(join(tmpdir(), 'facenet-test-'));
const modelPath = join(root, 'model.pb');
writeFileSync(modelPath, '');
const out = mkdtempSync(join(tmpdir(), 'facenet-test-'));
afterAll(() => {
  for (const folder of [root, out]) rmSync(folder, { recursive: true });
});

/** The embedding is the colour of the first pixel, scaled to length 1. */
async function embed({ count, pixels, height, width }: ImageBatch): Promise<Float32Array> {
  return Float32Array.from({ length: count * 3 }, (_, i) => {
    const start = Math.floor(i / 3) * height * width * 3;
    const colour = pixels.subarray(start, start + 3);
    return colour[i % 3]! / Math.hypot(...colour);
  });
}

const createEmbedder: EmbedderFactory = async () => ({
  embed,
  dispose: () => undefined,
});

/** The text of a file is its colour. */
const read: ReadImage = async ({ path, directory }) => {
  const colour = (await (await directory.read(path)).text()).split(',').map(Number);
  if (colour.length !== 3) throw new UnreadableImageError(path, 'it is damaged');
  return { width: SIZE, height: SIZE, data: new Uint8Array(SIZE * SIZE * 3).map((_, i) => colour[i % 3]!) };
};

/** The part of a browser session that the commands use. */
function sessionOf(files: Readonly<Record<string, string>>): BrowserSession {
  const folder: DirectoryReference = {
    kind: 'files',
    name: 'faces',
    files: Object.entries(files).map(([path, text]) => ({ path, file: new File([text], path) })),
  };
  const session = {
    openFolder: () => folder,
    inspect: {
      report: (request: InspectRequest, control: JobControl) =>
        reportOnPhotos(model, request, createEmbedder, control, undefined, read, MOST_AT_ONCE),
    },
    train: {
      describeModel: async () => ({
        ...{
          file: 'model.pb',
          kind: 'graph',
          model_def: 'models.small',
          embedding_size: 3,
          image_size: SIZE,
        },
        standardization: { value: 'fixed', basis: 'as the test says' },
        notes: [],
      }),
      embedFolder: (request: EmbedRequest, control: JobControl) =>
        embedFolder(
          model,
          { ...request, output: { kind: 'zip', stream: new WritableStream<Uint8Array>() } },
          createEmbedder,
          control,
          undefined,
          read,
        ),
      classify: (request: ClassifyRequest, control: JobControl) =>
        classify(model, request, createEmbedder, control, undefined, read),
      evaluate: async ({ pairs, options }: EvaluateRequest, control: JobControl) =>
        evaluateOpenedPairs(
          embed,
          await openPairs(pairs),
          { ...options, image_size: SIZE, use_fixed_image_standardization: true },
          control,
          undefined,
          read,
        ),
    },
  };
  return session as unknown as BrowserSession;
}

const COMMANDS: readonly [string, Command, readonly string[]][] = [
  ['embed', embedCommand, [modelPath, root, out]],
  ['inspect', inspectCommand, [modelPath, root, '--filter_filename', join(root, 'table.tsv')]],
  ['classify TRAIN', classifyCommand, ['TRAIN', root, modelPath, join(root, 'people.json')]],
];

/** Two people, which is enough for every command. */
const PEOPLE = {
  'Ann/1.png': '200,1,1',
  'Ann/2.png': '220,9,1',
  'Ben/1.png': '1,200,1',
  'Ben/2.png': '1,90,20',
};

const path = fc
  .tuple(
    fc.array(fc.constantFrom('A', 'Ben', 'C d'), { maxLength: 3 }),
    fc.constantFrom('a', 'b.c', 'Ünï', 'J\\xFCrgen', 'bounding_boxes_00001', 'pairs'),
    fc.constantFrom('jpg', 'PNG', 'webp', 'tiff', 'ppm', 'jp2', 'heic', 'txt', 'jsonl', 'mp4'),
  )
  .map(([folders, stem, end]) => [...folders, `${stem}.${end}`].join('/'));
const tree = fc
  .dictionary(path, fc.constantFrom('90,90,1', '3,80,200', 'broken'), { maxKeys: 40 })
  .map((files) => ({ ...files, ...PEOPLE }));

describe('files that a command does not use', () => {
  it.each(COMMANDS)('are reported by %s, in words and in --json', async (_, command, argv) => {
    await fc.assert(
      fc.asyncProperty(tree, async (files) => {
        const { text, json } = await runCommand(command, argv, sessionOf(files));
        const { images, failures, skipped } = json as {
          images: number;
          failures: readonly string[];
          skipped: readonly SkippedFiles[];
        };
        const skippedCount = skipped.reduce((sum, { count }) => sum + count, 0);
        expect(images + failures.length + skippedCount).toBe(Object.keys(files).length);
        const lines = text.split('\n');
        for (const sentence of describeSkipped(skipped)) expect(lines).toContain(sentence);
        for (const failure of failures) expect(lines).toContain(`Skipped: ${failure}`);
        expect(lines).toContain(`Number of images: ${images}`);
      }),
      { numRuns: 60 },
    );
  });

  it('are reported by validate', async () => {
    const files = {
      ...PEOPLE,
      'Ben/4.jp2': '',
      'pairs.txt': '',
      'loose.jpg': '1,1,1',
      'a/b/deep.jpg': '1,1,1',
      'Ann/notes.txt': '',
    };
    const { text, json } = await runCommand(
      validateCommand,
      [modelPath, root, '--lfw_nrof_folds', '2', '--pairs_per_fold', '1'],
      sessionOf(files),
    );
    const skipped = json['skipped'] as readonly SkippedFiles[];
    expect(skipped.map(({ reason, count }) => [reason, count])).toEqual([
      ['in-no-folder', 1],
      ['too-deep', 1],
      ['format', 1],
      ['no-photo', 1],
      ['note', 1],
    ]);
    for (const sentence of describeSkipped(skipped)) expect(text).toContain(sentence);
    expect(text).not.toContain(': pairs.txt');
    expect(json).not.toHaveProperty('skippedFiles');
  });
});
