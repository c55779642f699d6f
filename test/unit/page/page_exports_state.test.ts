/** Exports as the page runs them, with fake workers and without downloads. */
import { beforeEach, expect, it, vi } from 'vitest';
import { ExportsState, type ExportedModel } from '../../../src/models/exports.svelte.ts';
import { storeExportedIds } from '../../../src/models/exported_models.ts';
import { JobGuard } from '../../../src/session/job_guard.svelte.ts';
import { saveBlob } from '../../../src/session/downloads.ts';
import type { JobControl } from '../../../workers/protocol/job_control.ts';
import type { ExportProgress, ExportRequest } from '../../../workers/protocol/models/export.ts';
import { stubBrowserGlobals } from './browser_globals.ts';
import { answerAsEmpty, answers } from '../jobs/fake_workers.ts';

const zip = vi.hoisted(() => ({ abandoned: 0 }));

vi.mock('../../../src/session/workers.ts', () => import('../jobs/fake_workers.ts'));
vi.mock('../../../src/session/features.ts', () => ({ features: {} }));
vi.mock('../../../src/models/exported_models.ts', () => ({
  readExportedIds: () => ['earlier'],
  storeExportedIds: vi.fn(),
}));
vi.mock('../../../src/session/downloads.ts', () => ({
  saveBlob: vi.fn(),
  withMovedStream: (request: unknown) => request,
  zipAsBlob: () => ({
    output: { kind: 'zip' },
    finish: async () => new Blob(['zip']),
    abandon: async () => void zip.abandoned++,
  }),
}));

const model: ExportedModel = {
  id: 'run-1',
  name: 'run-1',
  values: ['moving averages'],
  reference: { kind: 'run', runId: 'run-1' },
};
const summary = { files: [], verification: { by: 'onnxruntime-web', maxAbsError: 0 }, snippet: '' };

const requests: ExportRequest[] = [];
let exports: ExportsState;
let guard: JobGuard;

stubBrowserGlobals();

beforeEach(() => {
  vi.clearAllMocks();
  zip.abandoned = requests.length = 0;
  answerAsEmpty();
  answers.set('exportModel', (request, _control, onProgress) => {
    requests.push(request as ExportRequest);
    (onProgress as (progress: ExportProgress) => void)({ phase: 'verifying', done: 0, total: 0 });
    return summary;
  });
  guard = new JobGuard();
  exports = new ExportsState(guard);
});

it('hands out a zip with its name, and remembers that the model was exported', async () => {
  const item = await exports.toZip(model, { format: 'onnx', dtype: 'float16' }, true);
  expect(requests).toMatchObject([{ format: 'onnx', model: model.reference, output: { kind: 'zip' } }]);
  expect(item).toMatchObject({ status: 'done', summary, progress: { phase: 'verifying' }, sizeBytes: 3 });
  expect(saveBlob).toHaveBeenCalledWith(expect.any(Blob), 'run-1-moving-averages-onnx-float16.zip');
  expect([...exports.exportedIds]).toEqual(['earlier', 'run-1']);
  expect(storeExportedIds).toHaveBeenCalledOnce();
});

it('keeps the newest export of each model, format and precision', async () => {
  const settings = { format: 'tfjs' } as const;
  await exports.toZip(model, settings, false);
  const second = await exports.toZip(model, settings, false);
  await exports.toZip(model, { format: 'tfjs', dtype: 'float16' }, false);
  expect(exports.of('run-1').map(({ title }) => title)).toEqual([
    'TensorFlow.js, moving averages',
    'TensorFlow.js, float16, moving averages',
  ]);
  expect(exports.all.get(second.key)?.url).toBe(second.url);
});

it('leaves no zip of an export that fails, and says why', async () => {
  answers.set('exportModel', () => Promise.reject(new Error('It does not give the same embeddings.')));
  const item = await exports.toZip(model, { format: 'onnx' }, true);
  expect(item).toMatchObject({ status: 'failed', url: '' });
  expect(item.problem?.message).toContain('the same embeddings');
  expect(zip.abandoned).toBe(1);
  expect(saveBlob).not.toHaveBeenCalled();
  expect([...exports.exportedIds]).toEqual(['earlier']);
});

it('stops an export without a problem', async () => {
  answers.set(
    'exportModel',
    (request, control) =>
      new Promise((_resolve, reject) => {
        requests.push(request as ExportRequest);
        const { signal } = control as JobControl;
        signal.addEventListener('abort', () => reject(signal.reason as Error));
      }),
  );
  const ended = exports.toZip(model, { format: 'onnx' }, true);
  await vi.waitFor(() => expect(requests).toHaveLength(1));
  expect([exports.isBusy, guard.isBusy]).toEqual([true, true]);
  exports.stop(exports.of('run-1')[0]!);
  expect(await ended).toMatchObject({ status: 'stopped', problem: undefined });
  expect([exports.isBusy, guard.isBusy, zip.abandoned]).toEqual([false, false, 1]);
});
