import { describe, expect, it } from 'vitest';
import { MemoryDirectory } from '../../../workers/files/memory_directory.ts';
import { readHdf5 } from '../../../workers/formats/hdf5.ts';
import type {
  BestModel,
  EvaluationSummary,
  PrelogitsHistogram,
  RunRecord,
  StepRecord,
  ValidationRecord,
} from '../../../workers/protocol/train/runs.ts';
import { buildRunFiles } from '../../../workers/jobs/train/run_log.ts';
import { RunOutputs } from '../../../workers/jobs/train/run_outputs.ts';
import { defaultTrainingOptions } from '../../../workers/protocol/train/options.ts';
import type { RunHistory } from '../../../workers/training/run_history.ts';
import { readEvents } from '../formats/tensorboard_reader.ts';

const EPOCH_SIZE = 4;
const STARTED_AT = 1_700_000_000_000;

const run: RunRecord = {
  id: '20240102-030405',
  createdAt: STARTED_AT,
  status: 'running',
  options: {
    ...defaultTrainingOptions(),
    max_nrof_epochs: 3,
    epoch_size: EPOCH_SIZE,
    validate_every_n_epochs: 2,
    learning_rate: -1,
    learning_rate_schedule: '0: 0.05\n2: 0.005\n',
  },
  datasetName: 'photos',
  classNames: ['A', 'B'],
  imageCount: 12,
  data: [],
  step: 0,
  epoch: 0,
  device: 'test',
};

function stepRecord(step: number): StepRecord {
  const epoch = Math.ceil(step / EPOCH_SIZE);
  return {
    step,
    epoch,
    batch: ((step - 1) % EPOCH_SIZE) + 1,
    totalLoss: 5 - step / 4,
    crossEntropy: 4 - step / 4,
    regularization: 0.5,
    prelogitsNorm: 7,
    centerLoss: 0.25,
    accuracy: step / 16,
    learningRate: epoch < 2 ? 0.05 : 0.005,
    stepMs: 500,
    dataWaitMs: 125,
    at: STARTED_AT + 1000 * step,
  };
}

const steps = Array.from({ length: 3 * EPOCH_SIZE }, (_, index) => stepRecord(index + 1));
const validations: ValidationRecord[] = [
  {
    step: 8,
    epoch: 2,
    totalLoss: 3.5,
    crossEntropy: 2.5,
    accuracy: 0.5,
    durationMs: 1500,
    at: STARTED_AT + 8500,
  },
  {
    step: 12,
    epoch: 3,
    totalLoss: 3,
    crossEntropy: 2,
    accuracy: 0.625,
    durationMs: 1250,
    at: STARTED_AT + 12500,
  },
];
const evaluations: EvaluationSummary[] = [1, 2, 3].map((epoch) => ({
  step: epoch * EPOCH_SIZE,
  epoch,
  accuracy: 0.5 + epoch / 8,
  valRate: epoch / 16,
  durationMs: 2000,
  at: STARTED_AT + epoch * EPOCH_SIZE * 1000 + 750,
}));
const prelogits: PrelogitsHistogram[] = [1, 2, 3].map((epoch) => ({
  step: epoch * EPOCH_SIZE,
  epoch,
  counts: new Uint32Array(1000).fill(epoch, 10, 20),
}));
const history: RunHistory = { run, steps, validations, evaluations, prelogits };

function until(step: number): RunHistory {
  const before = (record: { step: number }): boolean => record.step <= step;
  return {
    run: { ...run, step },
    steps: steps.filter(before),
    validations: validations.filter(before),
    evaluations: evaluations.filter(before),
    prelogits: prelogits.filter(before),
  };
}

async function statOf(file: Blob): Promise<Record<string, number[]>> {
  return readHdf5(new Uint8Array(await file.arrayBuffer()), (reader) =>
    Object.fromEntries(reader.names.map((name) => [name, reader.numbers(name)])),
  );
}

describe('the files of a stored run', async () => {
  const files = await buildRunFiles(history);
  const file = (name: string): Blob => files.get(`${run.id}/${name}`)!;

  it('are the original’s', () => {
    expect([...files.keys()].sort()).toEqual(
      [
        'arguments.txt',
        `events.out.tfevents.${STARTED_AT / 1000}.facenet`,
        'learning_rate_schedule.txt',
        'lfw_result.txt',
        'stat.h5',
      ].map((name) => `${run.id}/${name}`),
    );
  });

  it('list every option', async () => {
    const lines = (await file('arguments.txt').text()).split('\n');
    for (const name of Object.keys(run.options))
      expect(
        lines.filter((line) => line.startsWith(`${name}: `)),
        name,
      ).toHaveLength(1);
    expect(lines).toContain('learning_rate_schedule: 0: 0.05 | 2: 0.005');
    expect(lines).toContain('epoch_size: 4');
    expect(lines).toContain('dataset: photos (12 training images, 2 classes)');
    expect(await file('learning_rate_schedule.txt').text()).toBe(run.options.learning_rate_schedule);
  });

  it('have the evaluations', async () => {
    expect(await file('lfw_result.txt').text()).toBe(
      '4\t0.62500\t0.06250\n8\t0.75000\t0.12500\n12\t0.87500\t0.18750\n',
    );
  });

  it('have the statistics by step, epoch and validation', async () => {
    expect(await statOf(file('stat.h5'))).toEqual({
      loss: steps.map(({ totalLoss }) => totalLoss),
      xent_loss: steps.map(({ crossEntropy }) => crossEntropy),
      reg_loss: steps.map(() => 1),
      center_loss: steps.map(() => 0.25),
      prelogits_norm: steps.map(() => 7),
      accuracy: steps.map(({ accuracy }) => accuracy),
      val_loss: [3.5, 3],
      val_xent_loss: [2.5, 2],
      val_accuracy: [0.5, 0.625],
      lfw_accuracy: [0.625, 0.75, 0.875],
      lfw_valrate: [0.0625, 0.125, 0.1875],
      learning_rate: [0.05, 0.005, 0.005].map(Math.fround),
      time_train: [2, 2, 2],
      time_validate: [0, 1.5, 1.25],
      time_evaluate: [2, 2, 2],
      prelogits_hist: prelogits.flatMap(({ counts }) => [...counts]),
    });
  });

  it('have the events in the order of their times', async () => {
    const events = await readEvents(file(`events.out.tfevents.${STARTED_AT / 1000}.facenet`));
    const times = events.map(({ wallTime }) => wallTime);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    const series = (tag: string): [number, unknown][] =>
      events.flatMap(({ step, values }): [number, unknown][] => (tag in values ? [[step, values[tag]]] : []));
    expect(series('loss/total')).toEqual(steps.map(({ step, totalLoss }) => [step, totalLoss]));
    expect(series('accuracy')).toEqual(steps.map(({ step, accuracy }) => [step, accuracy]));
    expect(series('learning_rate')).toEqual(
      steps.map(({ step, learningRate }) => [step, Math.fround(learningRate)]),
    );
    expect(series('lfw/accuracy')).toEqual(evaluations.map(({ step, accuracy }) => [step, accuracy]));
    expect(series('lfw/val_rate')).toEqual(evaluations.map(({ step, valRate }) => [step, valRate]));
    expect(series('validation/total')).toEqual(validations.map(({ step, totalLoss }) => [step, totalLoss]));
    expect(series('validation/accuracy')).toEqual(validations.map(({ step, accuracy }) => [step, accuracy]));
    expect(series('time/total')).toEqual([4, 8, 12].map((step) => [step, 2]));
    expect(series('time/lfw')).toEqual([4, 8, 12].map((step) => [step, 2]));
  });

  it('keep the planned length where the run ended early, as the original does', async () => {
    const early = await buildRunFiles(until(5));
    const stat = await statOf(early.get(`${run.id}/stat.h5`)!);
    expect(stat['loss']).toEqual([
      ...steps.slice(0, 5).map(({ totalLoss }) => totalLoss),
      ...Array(7).fill(0),
    ]);
    expect(stat['lfw_accuracy']).toEqual([0.625, 0, 0]);
    expect(stat['time_train']).toEqual([2, 0.5, 0]);
  });

  it('do without times, which older runs have not', async () => {
    const timeless = await buildRunFiles({
      run,
      steps: steps.map((record) => ({ ...record, at: undefined })),
      validations: validations.map(({ step, epoch, crossEntropy, accuracy }) => ({
        step,
        epoch,
        crossEntropy,
        accuracy,
      })),
      evaluations: [],
      prelogits: [],
    });
    const events = await readEvents([...timeless].find(([path]) => path.includes('tfevents'))![1]);
    expect(events.at(-1)).toMatchObject({ step: 12, wallTime: STARTED_AT / 1000 + 6 });
    expect(events.at(-1)!.values).not.toHaveProperty('time/validate');
    expect(timeless.has(`${run.id}/lfw_result.txt`)).toBe(false);
  });
});

describe('a run with folders', () => {
  /** Every warning is an error here. */
  async function begin(
    before: RunHistory,
    logs: MemoryDirectory | undefined,
    models: MemoryDirectory | undefined,
    startedAtMs = STARTED_AT,
  ): Promise<RunOutputs> {
    const outputs = new RunOutputs({}, (message) => {
      throw new Error(message);
    });
    await outputs.begin(before, logs, models, startedAtMs);
    return outputs;
  }

  async function resume(outputs: RunOutputs, from: number, to: number): Promise<void> {
    const log = outputs.log!;
    for (const record of steps.slice(from, to)) {
      log.addStep(record);
      for (const validation of validations)
        if (validation.step === record.step) log.addValidation(validation);
      for (const evaluation of evaluations)
        if (evaluation.step === record.step) log.addEvaluation(evaluation);
      for (const histogram of prelogits) if (histogram.step === record.step) log.addPrelogits(histogram);
      if (record.batch === EPOCH_SIZE) await outputs.writeLogs();
    }
    await outputs.writeLogs();
  }

  it('leaves the files that the stored run has', async () => {
    const logs = new MemoryDirectory('logs');
    await resume(await begin(until(0), logs, undefined), 0, 12);
    const expected = await buildRunFiles(history);
    expect([...logs.files.keys()].sort()).toEqual([...expected.keys()].sort());
    for (const [path, file] of expected)
      if (!path.endsWith('stat.h5'))
        expect(await logs.files.get(path)!.bytes(), path).toEqual(await file.bytes());
    // An HDF5 file also contains the time when it was written.
    expect(await statOf(logs.files.get(`${run.id}/stat.h5`)!)).toEqual(
      await statOf(expected.get(`${run.id}/stat.h5`)!),
    );
  });

  it('resumes after an interruption with another event file and complete statistics', async () => {
    const logs = new MemoryDirectory('logs');
    // Six steps are done, and the checkpoint is from the fourth.
    await resume(await begin(until(0), logs, undefined), 0, 6);
    await resume(await begin(until(4), logs, undefined, STARTED_AT + 60_000), 4, 12);
    const eventFiles = [...logs.files.keys()].filter((path) => path.includes('tfevents')).sort();
    expect(eventFiles).toHaveLength(2);
    const [first, second] = await Promise.all(eventFiles.map((path) => readEvents(logs.files.get(path)!)));
    expect(first!.at(-1)!.step).toBe(6);
    // TensorBoard then forgets the first file's steps from 5 on.
    expect(second![1]).toMatchObject({ sessionStatus: 1, step: 5 });
    expect(second!.filter(({ values }) => 'loss/total' in values).map(({ step }) => step)).toEqual([
      5, 6, 7, 8, 9, 10, 11, 12,
    ]);
    const whole = await buildRunFiles(history);
    for (const name of ['lfw_result.txt', 'arguments.txt'])
      expect(await logs.files.get(`${run.id}/${name}`)!.text()).toBe(
        await whole.get(`${run.id}/${name}`)!.text(),
      );
    expect(await statOf(logs.files.get(`${run.id}/stat.h5`)!)).toEqual(
      await statOf(whole.get(`${run.id}/stat.h5`)!),
    );
  });

  it('leaves no gap where it was killed after a checkpoint and before its log', async () => {
    const logs = new MemoryDirectory('logs');
    // The log ends at step 4. The run resumes from the checkpoint of step 8, with its validation.
    await resume(await begin(until(0), logs, undefined), 0, 4);
    // Killed again at step 9 before anything else was logged, and resumed in the same second.
    await begin(until(8), logs, undefined);
    const outputs = await begin(until(8), logs, undefined);
    await resume(outputs, 8, 12);
    const eventFiles = [...logs.files.keys()].filter((path) => path.includes('tfevents')).sort();
    expect(eventFiles).toHaveLength(3);
    const events = (await Promise.all(eventFiles.map((path) => readEvents(logs.files.get(path)!)))).flat();
    const stepsWith = (tag: string): number[] =>
      events.filter(({ values }) => tag in values).map(({ step }) => step);
    const whole = await buildRunFiles(history);
    const path = [...whole.keys()].find((name) => name.includes('tfevents'))!;
    const undisturbed = await readEvents(whole.get(path)!);
    for (const tag of new Set(undisturbed.flatMap(({ values }) => Object.keys(values))))
      expect(stepsWith(tag), tag).toEqual(
        undisturbed.filter(({ values }) => tag in values).map(({ step }) => step),
      );
  });

  it('logs what is measured again after the checkpoint from which it resumes', async () => {
    const logs = new MemoryDirectory('logs');
    const without = { ...until(8), validations: [], evaluations: [] };
    await begin(until(0), logs, undefined);
    const outputs = await begin(without, logs, undefined, STARTED_AT + 60_000);
    outputs.log!.addValidation(validations.find(({ step }) => step === 8)!);
    await outputs.writeLogs();
    const path = [...logs.files.keys()]
      .filter((name) => name.includes('tfevents'))
      .sort()
      .at(-1)!;
    const events = await readEvents(logs.files.get(path)!);
    expect(events.filter(({ values }) => 'validation/accuracy' in values).map(({ step }) => step)).toEqual([
      8,
    ]);
  });

  it('writes histograms into the event file', async () => {
    const logs = new MemoryDirectory('logs');
    const outputs = await begin(until(0), logs, undefined);
    outputs.log!.addHistograms(
      STARTED_AT,
      4,
      new Map([['a/weights', { shape: [3], data: Float32Array.of(-1, 0, 2) }]]),
    );
    await outputs.writeLogs();
    const path = [...logs.files.keys()].find((candidate) => candidate.includes('tfevents'))!;
    const [, event] = await readEvents(logs.files.get(path)!);
    expect(event).toMatchObject({
      step: 4,
      values: { 'a/weights': { count: 3, minimum: -1, maximum: 2, sum: 1 } },
    });
  });

  it('keeps the three newest models, those of an earlier session counted', async () => {
    const models = new MemoryDirectory('models', { 'other/model-other-1.safetensors': 'kept' });
    const parameters = new Map([['a/weights', { shape: [1], data: Float32Array.of(1) }]]);
    const write = async (from: number, at: readonly number[]): Promise<void> => {
      const outputs = await begin(until(from), undefined, models);
      for (const step of at) await outputs.writeModel({ ...run, step }, parameters);
    };
    await write(0, [4, 8]);
    await write(8, [12, 100]);
    expect([...models.files.keys()].sort()).toEqual(
      [8, 12, 100]
        .map((step) => `${run.id}/model-${run.id}-${step}.safetensors`)
        .concat('other/model-other-1.safetensors')
        .sort(),
    );
  });

  it('keeps the best model beside them, until another one is better', async () => {
    const models = new MemoryDirectory('models');
    const parameters = new Map([['a/weights', { shape: [1], data: Float32Array.of(1) }]]);
    const outputs = await begin(until(0), undefined, models);
    const best = (step: number): BestModel => ({ step, epoch: 1, measuredBy: 'pairs', accuracy: 1 });
    const kept = (): number[] =>
      [...models.files.keys()].map((path) => Number(/-(\d+)\.safetensors$/.exec(path)![1])).sort();
    for (const step of [1, 2, 3, 4, 5]) await outputs.writeModel({ ...run, step, best: best(1) }, parameters);
    expect(kept()).toEqual([1, 3, 4, 5]);
    await outputs.writeModel({ ...run, step: 6, best: best(5) }, parameters);
    expect(kept()).toEqual([4, 5, 6]);
  });
});
