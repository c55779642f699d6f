/** What prevents the start of a run, with fake workers. */
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { DatasetSummary, DirectoryReference } from '../../../workers/protocol/data/dataset.ts';
import { deviceKind, type DeviceInfo } from '../../../workers/protocol/device.ts';
import type { RunRecord } from '../../../workers/protocol/train/runs.ts';
import type { TrainRequest } from '../../../workers/protocol/train/train.ts';
import { DeviceState } from '../../../src/session/device.svelte.ts';
import { JobGuard } from '../../../src/session/job_guard.svelte.ts';
import { Library } from '../../../src/session/library.svelte.ts';
import { TrainState } from '../../../src/train/train.svelte.ts';
import { presetOptions } from '../../../workers/protocol/train/presets.ts';
import { stubBrowserGlobals } from './browser_globals.ts';
import { answerAsEmpty, answers } from '../jobs/fake_workers.ts';

vi.mock('../../../src/session/workers.ts', () => import('../jobs/fake_workers.ts'));
vi.mock('../../../src/session/stored_data.ts', () => ({}));
vi.mock('../../../src/session/features.ts', () => ({ features: {} }));

const requests: TrainRequest[] = [];
const folder = (path: string): DirectoryReference => ({ kind: 'private', path });
const summary = {
  imageCount: 20,
  classes: [
    { name: 'Ann', imageCount: 10 },
    { name: 'Bob', imageCount: 10 },
  ],
} as unknown as DatasetSummary;

let train: TrainState;
let device: DeviceState;

stubBrowserGlobals();

beforeEach(() => {
  requests.length = 0;
  answerAsEmpty();
  answers.set('scan', () => summary);
  answers.set('train', (request) => {
    requests.push(request as TrainRequest);
    return { run: { status: 'finished' } };
  });
  device = new DeviceState();
  train = new TrainState(new Library(), new JobGuard(), device);
});

describe('an evaluation after each epoch', () => {
  it('keeps the run from starting until its folder is chosen', async () => {
    await train.dataset.choose([folder('aligned/people')]);
    expect(train.obstacle).toBe('');
    train.evaluatesEachEpoch = true;
    expect(train.obstacle).toBe('Choose the folder of faces for the pairs.');
    await train.start();
    expect(requests).toEqual([]);
    await train.pairs.images.choose([folder('aligned/others')]);
    expect(train.obstacle).toBe('');
    await train.start();
    expect(requests.map(({ lfw }) => lfw?.images)).toEqual([[folder('aligned/others')]]);
  });

  it('asks for the pairs file where one is to be used', async () => {
    await train.dataset.choose([folder('aligned/people')]);
    train.evaluatesEachEpoch = true;
    await train.pairs.images.choose([folder('aligned/others')]);
    train.pairs.kind = 'file';
    expect(train.obstacle).toBe('Choose the pairs file.');
  });

  it('says that the folder of the pairs cannot be used, not that a file is missing', async () => {
    await train.dataset.choose([folder('aligned/people')]);
    train.evaluatesEachEpoch = true;
    answers.set('scan', () => {
      throw new Error('No photos in it.');
    });
    await train.pairs.images.choose([folder('aligned/empty')]);
    expect(train.obstacle).toBe('The folder for the pairs cannot be used. Choose another one.');
  });
});

describe('what jobs run on', () => {
  const simulated: DeviceInfo = {
    backend: 'wasm',
    hasWebGpu: true,
    isSoftware: true,
    adapter: 'SwiftShader (software)',
    advice: 'No GPU was found.',
  };

  it('is asked once, and is the same for all', async () => {
    let asked = 0;
    answers.set('describeDevice', () => (asked++, simulated));
    await device.describe();
    expect(device.kind).toBe('simulated');
    await train.describeDevice();
    expect(train.device).toBe(device.info);
    expect(train.presetId).toBe('quick-try-software');
    expect(asked).toBe(1);
  });

  it('leaves a preset that was chosen', async () => {
    answers.set('describeDevice', () => simulated);
    train.usePreset('guide');
    await train.describeDevice();
    expect(train.presetId).toBe('guide');
  });

  it('has three kinds', () => {
    expect(deviceKind(simulated)).toBe('simulated');
    expect(deviceKind({ ...simulated, isSoftware: false })).toBe('gpu');
    expect(deviceKind({ ...simulated, hasWebGpu: false })).toBe('none');
  });
});

describe('resuming a run', () => {
  const run = {
    id: '20260101-100000',
    status: 'interrupted',
    options: presetOptions('quick-try'),
    datasetName: 'people',
    classNames: ['Ann', 'Bob'],
    imageCount: 20,
    data: [folder('aligned/people')],
    step: 6,
    epoch: 1,
  } as unknown as RunRecord;

  it('says in its log that the pairs are gone that it was evaluated on', async () => {
    await train.resumeRun({ ...run, lastEvaluation: { step: 6, epoch: 1, accuracy: 0.7, valRate: 0.1 } });
    expect(requests).toHaveLength(1);
    expect(train.live!.log.map(({ text, kind }) => `${kind}: ${text}`).join('\n')).toMatch(
      /warning: .*no longer evaluated after each epoch/,
    );
  });

  it('evaluates on the pairs that are chosen in their place', async () => {
    train.evaluatesEachEpoch = true;
    await train.pairs.images.choose([folder('aligned/others')]);
    await train.resumeRun({ ...run, lastEvaluation: { step: 6, epoch: 1, accuracy: 0.7, valRate: 0.1 } });
    expect(requests[0]!.lfw?.images).toEqual([folder('aligned/others')]);
  });
});
