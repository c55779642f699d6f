/** The import of a model can be stopped at any moment. Uses fake workers. */
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { JobGuard } from '../../../src/session/job_guard.svelte.ts';
import type { Library } from '../../../src/session/library.svelte.ts';
import { JobControl, JobStoppedError } from '../../../workers/protocol/job_control.ts';
import { untilStopped } from '../../../workers/jobs/until_stopped.ts';

const worker = vi.hoisted(() => ({ inspectModel: vi.fn(), importModel: vi.fn() }));
const endUnlessStopped = vi.hoisted(() => vi.fn(async () => undefined));

vi.mock('../../../src/session/workers.ts', () => ({
  importWorker: {
    call: async (use: (api: object) => unknown) => use(worker),
    release: () => undefined,
    endUnlessStopped,
  },
  STOP_AT_ONCE_MS: 1,
  STOP_SOON_MS: 2,
}));

const { ModelImport } = await import('../../../src/models/model_import.svelte.ts');
const guard = { during: (_: string, __: boolean, work: () => unknown) => work() } as unknown as JobGuard;
const refresh = vi.fn(async () => undefined);
const library = { refresh } as unknown as Library;
const files = [new File(['x'], 'a.safetensors')];
const report = { missing: [], wrongShapes: [], standardization: { value: 'fixed', basis: 'as stated' } };

/** A worker's method that ends only when it is stopped. */
const untilItIsStopped = (_: unknown, control: JobControl): Promise<never> =>
  untilStopped(control, () => new Promise<never>(() => undefined));

describe('bringing a model in', () => {
  let modelImport: InstanceType<typeof ModelImport>;
  beforeEach(() => {
    vi.clearAllMocks();
    modelImport = new ModelImport(library, guard);
  });

  it('stops while the file is read, and another file is read then', async () => {
    worker.inspectModel.mockImplementationOnce(untilItIsStopped);
    const reading = modelImport.readFiles(files);
    expect(modelImport.status).toBe('reading');
    modelImport.stop();
    await reading;
    expect([modelImport.status, modelImport.problem, modelImport.isStopping]).toEqual([
      'idle',
      undefined,
      false,
    ]);
    // A worker that computes receives no messages, so it is ended.
    expect(endUnlessStopped).toHaveBeenCalledTimes(1);
    worker.inspectModel.mockResolvedValueOnce(report);
    await modelImport.readFiles(files);
    expect(modelImport.status).toBe('read');
  });

  it('stops while the model is taken, and can be taken again', async () => {
    worker.inspectModel.mockResolvedValueOnce(report);
    await modelImport.readFiles(files);
    worker.importModel.mockImplementationOnce(untilItIsStopped);
    const importing = modelImport.store();
    expect(modelImport.status).toBe('importing');
    modelImport.stop();
    modelImport.stop();
    await importing;
    expect([modelImport.status, modelImport.problem, modelImport.imported]).toEqual([
      'read',
      undefined,
      undefined,
    ]);
    expect(refresh).not.toHaveBeenCalled();
    worker.importModel.mockResolvedValueOnce({ name: 'a' });
    await modelImport.store();
    expect([modelImport.status, modelImport.imported?.name]).toEqual(['imported', 'a']);
  });

  it('says what went wrong when nobody stopped it', async () => {
    worker.inspectModel.mockRejectedValueOnce(new Error('It is no model.'));
    await modelImport.readFiles(files);
    expect([modelImport.status, modelImport.problem?.message]).toEqual(['idle', 'It is no model.']);
  });
});

describe('untilStopped', () => {
  it('ends with the reason of the stop, before and during the work', async () => {
    const control = new JobControl();
    const waiting = untilStopped(control, () => new Promise(() => undefined));
    control.cancel();
    await expect(waiting).rejects.toThrow(JobStoppedError);
    const work = vi.fn(async () => 1);
    await expect(untilStopped(control, work)).rejects.toThrow(JobStoppedError);
    expect(work).not.toHaveBeenCalled();
    expect(await untilStopped(new JobControl(), async () => 2)).toBe(2);
  });
});
