/** The files that a run writes into its folders when it is filtered, stopped and resumed. */
import { expect, it } from 'vitest';
import { openWritableDirectory } from '../../../workers/files/open.ts';
import { readHdf5 } from '../../../workers/formats/hdf5.ts';
import { checkpointFile } from '../../../workers/jobs/train/checkpoint_file.ts';
import { buildRunFiles } from '../../../workers/jobs/train/run_log.ts';
import { TrainControl } from '../../../workers/jobs/train/train_control.ts';
import { train } from '../../../workers/jobs/train/train_job.ts';
import type { DirectoryReference } from '../../../workers/protocol/data/dataset.ts';
import type { TrainEvent, TrainRequest } from '../../../workers/protocol/train/train.ts';
import {
  deleteRun,
  getRun,
  readEvaluations,
  readPrelogits,
  readSteps,
  readValidations,
} from '../../../workers/storage/runs.ts';
import { defaultTrainingOptions, type TrainingOptions } from '../../../workers/protocol/train/options.ts';
import { readModelFile } from '../../../workers/models/model_file.ts';
import { listCheckpoints } from '../../../workers/storage/checkpoints.ts';
import { readEvents } from '../../unit/formats/tensorboard_reader.ts';

const OPTIONS: TrainingOptions = {
  ...defaultTrainingOptions(),
  model_def: 'models.squeezenet',
  batch_size: 3,
  image_size: 25,
  embedding_size: 8,
  epoch_size: 2,
  max_nrof_epochs: 4,
  optimizer: 'ADAM',
  learning_rate: -1,
  learning_rate_schedule: '0: 0.01\n',
  validation_set_split_ratio: 0.25,
  validate_every_n_epochs: 2,
  use_fixed_image_standardization: true,
  log_histograms: true,
  filter_filename: 'distances.txt',
  filter_percentile: 85,
  filter_min_nrof_images_per_class: 3,
  backend: 'wasm',
};

/** Three people with four photos; Cyd has two that are far from the others. */
async function photos(): Promise<{ data: DirectoryReference; table: string }> {
  const files = [];
  const rows = [];
  for (const [person, hue] of [
    ['Ada', 10],
    ['Ben', 130],
    ['Cyd', 250],
  ] as const)
    for (let index = 0; index < 4; index++) {
      const canvas = new OffscreenCanvas(30, 30);
      const context = canvas.getContext('2d')!;
      context.fillStyle = `hsl(${hue} 60% ${30 + 10 * index}%)`;
      context.fillRect(0, 0, 30, 30);
      const path = `${person}/${index}.png`;
      files.push({ path, file: new File([await canvas.convertToBlob()], path) });
      rows.push(`${path} ${person === 'Cyd' && index < 2 ? 1.5 : 0.01 * index} 0`);
    }
  return { data: { kind: 'files', name: 'squares', files }, table: rows.join('\n') };
}

it('are the original’s files, also after an interruption', async () => {
  const { data, table } = await photos();
  const base = `test-logs-${Date.now()}`;
  const logsBase: DirectoryReference = { kind: 'private', path: `${base}/logs` };
  const modelsBase: DirectoryReference = { kind: 'private', path: `${base}/models` };
  const events: TrainEvent[] = [];
  const runOnce = async (request: Partial<TrainRequest>, stopAfter = Infinity): Promise<string> => {
    const control = new TrainControl();
    const { run } = await train(
      { options: OPTIONS, data: [data], logsBase, modelsBase, ...request },
      (event) => {
        events.push(event);
        if (event.kind === 'step' && event.record.step === stopAfter) void control.stop();
      },
      control,
    );
    return run.id;
  };

  await expect(runOnce({})).rejects.toThrow(/filter table "distances.txt", but no file was chosen/);
  await expect(runOnce({ filterTable: 'Eve/1.png 0.5 0\n' })).rejects.toThrow(/None of the 1 images/);
  await expect(runOnce({ options: { ...OPTIONS, image_size: 20 } })).rejects.toThrow(
    /image_size: Enter a whole number from 25 to 1024/,
  );

  const id = await runOnce({ filterTable: table }, 5);
  // The name of an event file contains the second.
  await new Promise((resolve) => setTimeout(resolve, 1100));
  // The table is not needed again.
  expect(await runOnce({ resumeRunId: id })).toBe(id);

  const run = (await getRun(id))!;
  expect(run).toMatchObject({ status: 'finished', step: 8, classNames: ['Ada', 'Ben'] });
  expect(run.filteredImages).toEqual(expect.arrayContaining(['Cyd/0.png', 'Cyd/1.png']));
  const notes = events.flatMap((event) => (event.kind === 'warning' ? [event.message] : []));
  expect(notes.filter((note) => note.includes('1 of 3 people'))).toHaveLength(2);

  const models = await openWritableDirectory(modelsBase);
  const modelPaths: string[] = [];
  for await (const { path } of models.list()) modelPaths.push(path);
  // Of the checkpoints after 2, 4, 5, 6 and 8 steps, the newest three, and the best of the two with a validation.
  const [early, late] = await readValidations(id);
  expect([early!.step, late!.step]).toEqual([4, 8]);
  const isLateBetter =
    late!.accuracy > early!.accuracy ||
    (late!.accuracy === early!.accuracy && late!.crossEntropy < early!.crossEntropy);
  const bestStep = isLateBetter ? 8 : 4;
  expect(run.best).toMatchObject({ step: bestStep, measuredBy: 'validation' });
  const keptSteps = isLateBetter ? [5, 6, 8] : [4, 5, 6, 8];
  expect(modelPaths.sort()).toEqual(keptSteps.map((step) => `${id}/model-${id}-${step}.safetensors`));
  expect((await listCheckpoints(id)).map(({ step }) => step).reverse()).toEqual(keptSteps);
  const { name, file } = await checkpointFile(id, bestStep);
  expect(await readModelFile(file, name)).toMatchObject({ metadata: { run: id, step: bestStep } });

  const logs = await openWritableDirectory(logsBase);
  const logPaths: string[] = [];
  for await (const { path } of logs.list()) logPaths.push(path);
  const eventPaths = logPaths.filter((path) => path.includes('tfevents')).sort();
  expect(logPaths.filter((path) => !eventPaths.includes(path)).sort()).toEqual(
    ['arguments.txt', 'learning_rate_schedule.txt', 'stat.h5'].map((name) => `${id}/${name}`),
  );
  const [first, second] = await Promise.all(
    eventPaths.map(async (path) => readEvents(await logs.read(path))),
  );
  const steps = await readSteps(id);
  const read = [...first!, ...second!].flatMap(({ step, values }) =>
    'loss/total' in values ? [[step, values['loss/total']]] : [],
  );
  expect(read).toEqual(steps.map(({ step, totalLoss }) => [step, Math.fround(totalLoss)]));
  const histograms = [...first!, ...second!].flatMap(({ step, values }) =>
    'squeezenet/conv1/weights' in values || 'squeezenet/conv1/weights/gradients' in values ? [step] : [],
  );
  expect(histograms).toEqual([2, 2, 4, 4, 6, 6, 8, 8]);

  const stat = await readHdf5(
    new Uint8Array(await (await logs.read(`${id}/stat.h5`)).arrayBuffer()),
    (file) => Object.fromEntries(file.names.map((name) => [name, file.numbers(name)])),
  );
  const validations = await readValidations(id);
  expect(stat['loss']).toEqual(steps.map(({ totalLoss }) => Math.fround(totalLoss)));
  expect(stat['val_loss']).toEqual(validations.map(({ totalLoss }) => Math.fround(totalLoss!)));
  // Each epoch has two batches of three images with eight values; the third is interrupted after its first batch.
  const counts = Array.from({ length: 4 }, (_, epoch) =>
    stat['prelogits_hist']!.slice(epoch * 1000, (epoch + 1) * 1000).reduce((sum, count) => sum + count, 0),
  );
  expect(counts).toEqual([48, 48, 48, 48]);
  expect(stat['val_accuracy']).toEqual(validations.map(({ accuracy }) => Math.fround(accuracy)));
  expect(stat['time_validate']!.map((seconds) => seconds > 0)).toEqual([false, true, false, true]);

  // For a download: the same from what is stored.
  const built = await buildRunFiles({
    run,
    steps,
    validations,
    evaluations: await readEvaluations(id),
    prelogits: await readPrelogits(id),
  });
  expect(await built.get(`${id}/arguments.txt`)!.text()).toBe(
    await (await logs.read(`${id}/arguments.txt`)).text(),
  );
  await deleteRun(id);
  await (await navigator.storage.getDirectory()).removeEntry(base, { recursive: true });
});
