/** An evaluation as the page runs it, with fake workers: what is asked, kept and shown, and how it ends. */
import { beforeEach, expect, it, vi } from 'vitest';
import { EvaluateState } from '../../../src/evaluate/evaluate.svelte.ts';
import { JobGuard } from '../../../src/session/job_guard.svelte.ts';
import { Library } from '../../../src/session/library.svelte.ts';
import type { DatasetSummary, DirectoryReference } from '../../../workers/protocol/data/dataset.ts';
import type { EvaluateRequest, SavedEvaluation } from '../../../workers/protocol/evaluate/evaluate.ts';
import type { JobControl } from '../../../workers/protocol/job_control.ts';
import { stubBrowserGlobals } from './browser_globals.ts';
import { answerAsEmpty, answers } from '../jobs/fake_workers.ts';

vi.mock('../../../src/session/workers.ts', () => import('../jobs/fake_workers.ts'));
vi.mock('../../../src/session/stored_data.ts', () => ({}));
vi.mock('../../../src/session/features.ts', () => ({ features: {} }));

const stored: DirectoryReference = { kind: 'private', path: 'aligned/people' };
const picked: DirectoryReference = { kind: 'files', name: 'picked', files: [] };
const summary = {
  imageCount: 20,
  classes: [
    { name: 'Ann', imageCount: 10 },
    { name: 'Bob', imageCount: 10 },
  ],
} as unknown as DatasetSummary;

const requests: EvaluateRequest[] = [];
const kept: SavedEvaluation[] = [];
let evaluate: EvaluateState;
let guard: JobGuard;

stubBrowserGlobals();

beforeEach(() => {
  requests.length = kept.length = 0;
  answerAsEmpty();
  answers.set('scan', () => summary);
  answers.set('saveEvaluation', (evaluation) => void kept.push(evaluation as SavedEvaluation));
  answers.set('evaluate', (request) => {
    requests.push(request as EvaluateRequest);
    return { accuracy: 0.9, weights: { step: 7 } };
  });
  guard = new JobGuard();
  evaluate = new EvaluateState(new Library(), guard);
});

async function choose(...folders: DirectoryReference[]): Promise<void> {
  evaluate.choice.runId = 'run-1';
  await evaluate.pairs.images.choose(folders);
}

it('does not start before a model and faces are chosen', async () => {
  await evaluate.start();
  expect(evaluate.obstacle).toBe('Choose a model first.');
  evaluate.choice.runId = 'run-1';
  expect(evaluate.obstacle).not.toBe('');
  await evaluate.start();
  expect(requests).toEqual([]);
  evaluate.options.lfw_batch_size = 0;
  await choose(stored);
  expect(evaluate.obstacle).toContain('Images per batch');
  await evaluate.start();
  expect(requests).toEqual([]);
});

it('shows the result and keeps it, with the folders that a later visit can open', async () => {
  await choose(stored, picked);
  await evaluate.start();
  expect(requests.map(({ pairs, options }) => [pairs.images, options.lfw_batch_size])).toEqual([
    [[stored, picked], 100],
  ]);
  expect(evaluate).toMatchObject({ status: 'done', result: { accuracy: 0.9 }, shown: { step: 7 } });
  expect(kept.map(({ images, modelName }) => [images, modelName])).toEqual([[[stored], 'run run-1']]);
});

it('says what went wrong, and still has the result before', async () => {
  await choose(stored);
  await evaluate.start();
  answers.set('evaluate', () => Promise.reject(new Error('The folder is gone.')));
  await evaluate.start();
  expect(evaluate).toMatchObject({ status: 'failed', result: { accuracy: 0.9 } });
  expect(evaluate.problem?.message).toContain('The folder is gone.');
  expect(guard.isBusy).toBe(false);
});

it('runs one evaluation at a time, guarded, and ends one that is stopped without a problem', async () => {
  await choose(stored);
  answers.set(
    'evaluate',
    (request, control) =>
      new Promise((_resolve, reject) => {
        requests.push(request as EvaluateRequest);
        const { signal } = control as JobControl;
        signal.addEventListener('abort', () => reject(signal.reason as Error));
      }),
  );
  const running = evaluate.start();
  await vi.waitFor(() => expect(requests).toHaveLength(1));
  expect(guard.isBusy).toBe(true);
  await evaluate.start();
  expect(requests).toHaveLength(1);
  evaluate.stop();
  expect(evaluate.status).toBe('stopping');
  await running;
  expect(evaluate).toMatchObject({ status: 'idle', problem: undefined, isBusy: false });
  expect(kept).toEqual([]);
});
