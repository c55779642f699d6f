/** Stopping a worker that computes and receives no messages, like on the page. */
import { expose } from 'comlink';
import { afterEach, describe, expect, it } from 'vitest';
import { WorkerClient, WorkerStoppedError } from '../../../workers/rpc/worker_client.ts';

interface Api {
  work(): Promise<string>;
  other(): Promise<string>;
}

/** A worker in this thread. Its messages use a channel, so the test can make it unresponsive or dead. */
class FakeWorker extends EventTarget {
  isTerminated = false;
  readonly #channel = new MessageChannel();
  readonly #near = this.#channel.port1;

  constructor(api: Api | undefined) {
    super();
    if (api) expose(api, this.#channel.port2 as unknown as Parameters<typeof expose>[1]);
    this.#near.addEventListener('message', ({ data }) =>
      this.dispatchEvent(new MessageEvent('message', { data })),
    );
    this.#near.start();
  }

  postMessage(message: unknown, transfer: Transferable[] = []): void {
    if (!this.isTerminated) this.#near.postMessage(message, transfer as never);
  }

  terminate(): void {
    this.isTerminated = true;
    this.#channel.port1.close();
    this.#channel.port2.close();
  }
}

function deferred(): { promise: Promise<string>; resolve: (value: string) => void } {
  let resolve: (value: string) => void = () => undefined;
  const promise = new Promise<string>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

const PATIENCE_MS = 40;
const workers: FakeWorker[] = [];

function workerClient(api?: Api): WorkerClient<Api> {
  return new WorkerClient<Api>('part under test', () => {
    const worker = new FakeWorker(api);
    workers.push(worker);
    return worker as unknown as Worker;
  });
}

afterEach(() => {
  for (const worker of workers.splice(0)) worker.terminate();
});

describe('stopping', () => {
  it('ends a worker whose job keeps running, and the job’s call fails', async () => {
    const client = workerClient();
    const failed = expect(client.call((api) => api.work())).rejects.toThrow(WorkerStoppedError);
    await client.endUnlessStopped(PATIENCE_MS);
    await failed;
    expect(workers[0]!.isTerminated).toBe(true);
    // The next call starts a new worker.
    void client.call((api) => api.work()).catch(() => undefined);
    expect(workers).toHaveLength(2);
  });

  it('leaves a worker alone whose job ends in time', async () => {
    const stop = deferred();
    const client = workerClient({ work: () => stop.promise, other: async () => 'done' });
    const job = client.call((api) => api.work());
    const ended = client.endUnlessStopped(2000);
    stop.resolve('stopped');
    await ended;
    expect(await job).toBe('stopped');
    expect(workers[0]!.isTerminated).toBe(false);
  });

  it('does not cut off another job of the same worker', async () => {
    const end = deferred();
    const client = workerClient({
      work: () => new Promise<string>(() => undefined),
      other: () => end.promise,
    });
    void client.call((api) => api.work()).catch(() => undefined);
    const other = client.call((api) => api.other());
    await client.endUnlessStopped(PATIENCE_MS);
    end.resolve('whole');
    expect(await other).toBe('whole');
  });

  it('starts no worker where nothing runs', async () => {
    await workerClient().endUnlessStopped(PATIENCE_MS);
    expect(workers).toHaveLength(0);
  });
});
