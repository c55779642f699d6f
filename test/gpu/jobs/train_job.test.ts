/** Whole runs in a real browser: storing, pausing, stopping and resuming. */
import { beforeAll, describe, expect, it } from 'vitest';
import { TrainControl } from '../../../workers/jobs/train/train_control.ts';
import { train } from '../../../workers/jobs/train/train_job.ts';
import type { DirectoryReference } from '../../../workers/protocol/data/dataset.ts';
import type { StepRecord } from '../../../workers/protocol/train/runs.ts';
import type { TrainEvent, TrainRequest } from '../../../workers/protocol/train/train.ts';
import { loadNewestCheckpoint } from '../../../workers/storage/checkpoints.ts';
import { deleteRun, getRun, listRuns, readSteps } from '../../../workers/storage/runs.ts';
import { defaultTrainingOptions, type TrainingOptions } from '../../../workers/protocol/train/options.ts';
import { squares } from './faults_support.ts';
import { makeHeicBeginning } from '../detector/align_image_files.ts';

const OPTIONS: TrainingOptions = {
  ...defaultTrainingOptions(),
  model_def: 'models.squeezenet',
  batch_size: 4,
  image_size: 25,
  embedding_size: 16,
  epoch_size: 3,
  max_nrof_epochs: 2,
  optimizer: 'ADAM',
  learning_rate: -1,
  learning_rate_schedule: '0: 0.01\n',
  keep_probability: 0.8,
  weight_decay: 5e-4,
  prelogits_norm_loss_factor: 5e-4,
  random_crop: true,
  random_flip: true,
  use_fixed_image_standardization: true,
  batch_norm_decay: 0.9,
  backend: 'wasm',
};

let data: Extract<DirectoryReference, { kind: 'files' }>;

beforeAll(async () => {
  data = await squares();
});

interface Observed {
  readonly events: TrainEvent[];
  readonly losses: Map<number, number>;
  runId: string;
}

async function observe(
  request: Partial<TrainRequest>,
  onStep: (record: StepRecord, control: TrainControl) => void = () => undefined,
  control = new TrainControl(),
): Promise<Observed> {
  const observed: Observed = { events: [], losses: new Map(), runId: '' };
  await train(
    { options: OPTIONS, data: [data], ...request },
    (event) => {
      observed.events.push(event);
      if (event.kind === 'started') observed.runId = event.run.id;
      if (event.kind !== 'step') return;
      observed.losses.set(event.record.step, event.record.totalLoss);
      onStep(event.record, control);
    },
    control,
  );
  return observed;
}

describe('a run', () => {
  it('stopped and resumed has, bit for bit, the losses of an uninterrupted run', async () => {
    const whole = await observe({});
    expect([...whole.losses.keys()]).toEqual([1, 2, 3, 4, 5, 6]);
    expect([...whole.losses.values()].every(Number.isFinite)).toBe(true);

    const first = await observe({}, (record, control) => {
      if (record.step === 2) void control.stop();
    });
    expect(first.runId).not.toBe(whole.runId);
    expect((await getRun(first.runId))!.status).toBe('stopped');
    expect((await loadNewestCheckpoint(first.runId))!.step).toBe(2);

    const second = await observe({ resumeRunId: first.runId });
    expect([...first.losses, ...second.losses]).toEqual([...whole.losses]);
    expect((await readSteps(first.runId)).map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6]);
    expect((await getRun(first.runId))!.status).toBe('finished');
    for (const { id } of await listRuns()) await deleteRun(id);
  });

  it('pauses with a checkpoint, and resumes', async () => {
    const control = new TrainControl();
    let paused = Promise.resolve();
    const observed = observe(
      {},
      (record) => {
        if (record.step === 2) paused = control.pause();
      },
      control,
    );
    await new Promise<void>((resolve) => {
      const poll = setInterval(async () => {
        const [run] = await listRuns();
        if (run?.status !== 'paused') return;
        clearInterval(poll);
        resolve();
      }, 50);
    });
    await paused;
    const [run] = await listRuns();
    expect((await loadNewestCheckpoint(run!.id))!.step).toBe(2);
    control.resume();
    const { events, losses } = await observed;
    expect(losses.size).toBe(6);
    expect(events.flatMap((event) => (event.kind === 'status' ? [event.status] : []))).toEqual([
      'paused',
      'running',
      'finished',
    ]);
    await deleteRun(run!.id);
  });

  it('puts another photo in the place of one that cannot be read, and says so once', async () => {
    const broken = data.files.map((entry, index) =>
      index === 5 ? { ...entry, file: new File(['no image'], 'x.png') } : entry,
    );
    const { events, losses, runId } = await observe({
      data: [{ ...data, files: broken }],
      options: { ...OPTIONS, max_nrof_epochs: 1, epoch_size: 4 },
    });
    expect(losses.size).toBe(4);
    const warnings = events.flatMap((event) => (event.kind === 'warning' ? [event.message] : []));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('Ben_0002.png');
    await deleteRun(runId);
  });

  it('names a HEIC photo that this browser cannot decode, instead of passing it over', async () => {
    const phone = { path: 'Ben/phone.heic', file: new File([makeHeicBeginning()], 'phone.heic') };
    const { losses, events, runId } = await observe({
      data: [{ ...data, files: [...data.files, phone] }],
      options: { ...OPTIONS, max_nrof_epochs: 1, epoch_size: 4 },
    });
    expect(losses.size).toBe(4);
    const warnings = events.flatMap((event) => (event.kind === 'warning' ? [event.message] : []));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/phone\.heic.*HEIC photo, which this browser does not support/);
    await deleteRun(runId);
  });

  it('refuses a single person, and a dataset of another run', async () => {
    const one = { ...data, files: data.files.slice(0, 4) };
    await expect(observe({ data: [one] })).rejects.toThrow(/only one person.*Ada/);
    // Pairs are looked at before the first step, not after the first epoch.
    const runsBefore = (await listRuns()).length;
    await expect(observe({ lfw: { images: [data], lfw_nrof_folds: 100 } })).rejects.toThrow(/100 folds/);
    expect(await listRuns()).toHaveLength(runsBefore);
    const stopped = await observe({}, (record, control) => {
      if (record.step === 1) void control.stop();
    });
    await expect(
      observe({ resumeRunId: stopped.runId, data: [{ ...data, files: data.files.slice(0, 8) }] }),
    ).rejects.toThrow(/missing are Cyd/);
    await expect(observe({ resumeRunId: stopped.runId, data: [] })).rejects.toThrow(/Choose it, then resume/);
    await deleteRun(stopped.runId);
  });
});
