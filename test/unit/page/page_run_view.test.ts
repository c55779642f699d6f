/** The page's view of a run, with data from an earlier visit and after a resume. */
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { RunView } from '../../../src/train/run_view.svelte.ts';
import type { RunRecord, StepRecord } from '../../../workers/protocol/train/runs.ts';
import { presetOptions } from '../../../workers/protocol/train/presets.ts';
import { answerAsEmpty, answers } from '../jobs/fake_workers.ts';

vi.mock('../../../src/session/workers.ts', () => import('../jobs/fake_workers.ts'));

const run: RunRecord = {
  id: '20260101-100000',
  createdAt: 0,
  status: 'interrupted',
  options: { ...presetOptions('quick-try'), epoch_size: 3, max_nrof_epochs: 4, batch_size: 30 },
  datasetName: 'people',
  classNames: ['a', 'b'],
  imageCount: 20,
  data: [],
  step: 6,
  epoch: 2,
  device: 'test',
};

const stepRecord = (step: number, stepMs = 1000): StepRecord => ({
  step,
  epoch: Math.ceil(step / 3),
  batch: ((step - 1) % 3) + 1,
  totalLoss: 2,
  crossEntropy: 1,
  regularization: 1,
  prelogitsNorm: 0,
  centerLoss: 0,
  accuracy: 0.5,
  learningRate: 0.05,
  stepMs,
  dataWaitMs: 0,
});
const steps = (from: number, to: number): StepRecord[] =>
  Array.from({ length: to - from + 1 }, (_, index) => stepRecord(from + index));

beforeEach(() => {
  answerAsEmpty();
  answers.set('open', () => ({ stepCount: 7, newest: steps(1, 7) }));
  answers.set('readValidations', () => [
    { step: 3, epoch: 1, crossEntropy: 0.9, accuracy: 0.6 },
    { step: 6, epoch: 2, crossEntropy: 0.8, accuracy: 0.7 },
  ]);
  answers.set('readEvaluations', () => [{ step: 6, epoch: 2, accuracy: 0.75, valRate: 0.1 }]);
  answers.set('listCheckpoints', () => [{ step: 6, epoch: 2, createdAt: 0, sizeBytes: 16e6 }]);
});

/** Steps as their numbers, other lines unchanged. */
const logOf = (view: RunView): string[] =>
  view.log.map(({ text, kind }) => (kind === 'step' ? text.split('\t')[0]! : text));

describe('the log', () => {
  it('has what was measured and saved on an earlier visit, each after its step', async () => {
    const view = new RunView(run);
    await view.load();
    expect(logOf(view)).toEqual([
      'Epoch: [1][1/3]',
      'Epoch: [1][2/3]',
      'Epoch: [1][3/3]',
      'Validation after epoch 1: cross entropy 0.900, accuracy 60.0%',
      'Epoch: [2][1/3]',
      'Epoch: [2][2/3]',
      'Epoch: [2][3/3]',
      'Checkpoint saved at step 6 (16 MB)',
      'Validation after epoch 2: cross entropy 0.800, accuracy 70.0%',
      'Evaluation after epoch 2: accuracy 75.0%, validation rate 10.0%',
      'Epoch: [3][1/3]',
    ]);
  });

  it('leaves out everything before its first line', async () => {
    answers.set('open', () => ({ stepCount: 7, newest: steps(5, 7) }));
    const view = new RunView(run);
    await view.load();
    expect(logOf(view)[0]).toBe('Epoch: [2][2/3]');
    expect(logOf(view).some((line) => line.includes('epoch 1'))).toBe(false);
  });

  it('follows what another tab measures', async () => {
    const view = new RunView(run);
    await view.load();
    const before = view.log.length;
    answers.set('follow', () => steps(8, 9));
    const known = answers.get('readValidations')!() as unknown[];
    answers.set('readValidations', () => [...known, { step: 9, epoch: 3, crossEntropy: 0.7, accuracy: 0.8 }]);
    await view.follow(run);
    expect(logOf(view).slice(before)).toEqual([
      'Epoch: [3][2/3]',
      'Epoch: [3][3/3]',
      'Validation after epoch 3: cross entropy 0.700, accuracy 80.0%',
    ]);
    // The evaluation of the same step is stored later.
    answers.set('follow', () => []);
    answers.set('readEvaluations', () => [
      { step: 6, epoch: 2, accuracy: 0.75, valRate: 0.1 },
      { step: 9, epoch: 3, accuracy: 0.8, valRate: 0.2 },
    ]);
    await view.follow(run);
    expect(logOf(view).at(-1)).toBe('Evaluation after epoch 3: accuracy 80.0%, validation rate 20.0%');
  });
});

describe('after a resume', () => {
  it('forgets what was measured after the checkpoint', async () => {
    const view = new RunView(run);
    await view.load();
    await view.forgetAfter(3);
    expect(view.last!.step).toBe(3);
    expect(view.validations.map(({ step }) => step)).toEqual([3]);
    expect(view.evaluations).toEqual([]);
  });

  it('knows no time left until a step was done again', async () => {
    const view = new RunView(run);
    await view.load();
    await view.forgetAfter(6);
    expect(view.secondsLeft).toBeUndefined();
    await view.addSteps([stepRecord(7, 2000)]);
    expect(view.secondsLeft).toBe(5 * 2);
  });
});
