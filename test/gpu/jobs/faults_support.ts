/** Small runs whose losses can be compared, for tests with deliberate faults. */
import { TrainControl } from '../../../workers/jobs/train/train_control.ts';
import { train } from '../../../workers/jobs/train/train_job.ts';
import { openWritableDirectory } from '../../../workers/files/open.ts';
import type { DirectoryReference } from '../../../workers/protocol/data/dataset.ts';
import type { StepRecord } from '../../../workers/protocol/train/runs.ts';
import type { TrainEvent, TrainRequest } from '../../../workers/protocol/train/train.ts';
import { deleteRun } from '../../../workers/storage/runs.ts';
import { defaultTrainingOptions, type TrainingOptions } from '../../../workers/protocol/train/options.ts';

export const OPTIONS: TrainingOptions = {
  ...defaultTrainingOptions(),
  model_def: 'models.squeezenet',
  batch_size: 4,
  image_size: 25,
  embedding_size: 8,
  epoch_size: 2,
  max_nrof_epochs: 3,
  optimizer: 'ADAM',
  learning_rate: 0.01,
  keep_probability: 0.8,
  weight_decay: 5e-4,
  moving_average_decay: 0.9,
  random_crop: true,
  random_flip: true,
  use_fixed_image_standardization: true,
  batch_norm_decay: 0.9,
  backend: 'wasm',
};

async function square(hue: number, index: number): Promise<File> {
  const canvas = new OffscreenCanvas(30, 30);
  const context = canvas.getContext('2d')!;
  context.fillStyle = `hsl(${hue} 60% 50%)`;
  context.fillRect(0, 0, 30, 30);
  context.fillStyle = `hsl(${hue + 40} 80% 30%)`;
  context.fillRect(4 + index * 3, 8, 10, 8 + index * 2);
  return new File([await canvas.convertToBlob({ type: 'image/png' })], 'x.png');
}

/** Three people with four photos each. */
export async function squares(): Promise<Extract<DirectoryReference, { kind: 'files' }>> {
  const files = [];
  for (const [person, hue] of [
    ['Ada', 10],
    ['Ben', 130],
    ['Cyd', 250],
  ] as const)
    for (let index = 0; index < 4; index++)
      files.push({ path: `${person}/${person}_000${index + 1}.png`, file: await square(hue, index) });
  return { kind: 'files', name: 'squares', files };
}

/** The same in the private file system, with real handles. */
export async function privateSquares(path: string): Promise<DirectoryReference> {
  const reference: DirectoryReference = { kind: 'private', path };
  const directory = await openWritableDirectory(reference);
  for (const { path: file, file: content } of (await squares()).files) await directory.write(file, content);
  return reference;
}

export class ObservedRun {
  readonly events: TrainEvent[] = [];
  /** The loss of each step, from its last execution. */
  readonly losses = new Map<number, number>();
  readonly control = new TrainControl();
  runId = '';
  /** Settles together with the run. */
  readonly end: Promise<unknown>;

  constructor(
    request: TrainRequest,
    onEvent: (event: TrainEvent, run: ObservedRun) => void = () => undefined,
    choose?: Parameters<typeof train>[3],
  ) {
    this.end = train(
      request,
      (event) => {
        this.events.push(event);
        if (event.kind === 'started') this.runId = event.run.id;
        if (event.kind === 'step') this.losses.set(event.record.step, event.record.totalLoss);
        onEvent(event, this);
      },
      this.control,
      choose,
    );
    this.end.catch(() => undefined);
  }

  get warnings(): string[] {
    return this.events.flatMap((event) => (event.kind === 'warning' ? [event.message] : []));
  }

  get statuses(): string[] {
    return this.events.flatMap((event) => (event.kind === 'status' ? [event.status] : []));
  }

  get steps(): number[] {
    return this.events.flatMap((event) => (event.kind === 'step' ? [event.record.step] : []));
  }

  async forget(): Promise<void> {
    await deleteRun(this.runId);
  }
}

export const isStep = (event: TrainEvent, step: number): event is TrainEvent & { record: StepRecord } =>
  event.kind === 'step' && event.record.step === step;
