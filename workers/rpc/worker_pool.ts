/** Several workers of one kind. Work goes to the one with the least to do. */
import type { Remote } from 'comlink';
import { WorkerClient } from './worker_client.ts';

/** One worker of the pool. The user of the pool counts its load: running calls, or photos that it holds. */
export interface PoolMember<Api> {
  readonly client: WorkerClient<Api>;
  load: number;
}

export class WorkerPool<Api> {
  readonly #members: readonly PoolMember<Api>[];

  /** @param create makes one worker; each worker starts with its first call */
  constructor(count: number, title: string, create: () => Worker) {
    this.#members = Array.from({ length: count }, () => ({
      client: new WorkerClient<Api>(title, create),
      load: 0,
    }));
  }

  get size(): number {
    return this.#members.length;
  }

  /** Starts the workers before there is work, so that they load in the background. */
  start(): void {
    for (const { client } of this.#members) client.start();
  }

  leastBusy(): PoolMember<Api> {
    return this.#members.reduce((best, other) => (other.load < best.load ? other : best));
  }

  /** Calls every worker, including those that have had no work yet. */
  callEach<Result>(use: (api: Remote<Api>) => Promise<Result>): Promise<Result[]> {
    return Promise.all(this.#members.map(({ client }) => client.call(use)));
  }

  /** Ends the workers and everything they are doing. */
  terminate(error?: Error): void {
    for (const { client } of this.#members) client.terminate(error);
  }
}
