/** What the page may ask of a running training: pause, go on, stop, write a checkpoint. */
import type { Interruption } from '../../training/loop.ts';
import type { JobControl } from '../../protocol/job_control.ts';

interface Waiter {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
}

function waiter(): Waiter {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

export class TrainControl {
  #wanted: Interruption | undefined;
  /** Settled when the run has paused or ended. */
  #arrived = waiter();
  /** Settled when the run may go on. */
  #goOn = waiter();
  readonly #ended = waiter();
  readonly #stopping = new AbortController();

  /** @param control what the person asks for, while the run lasts */
  constructor(control?: JobControl) {
    control?.follow((command) => {
      if (command === 'pause') void this.pause();
      else if (command === 'resume') this.resume();
      else void this.stop();
    });
  }

  /** What the loop is to do before its next step. */
  get wanted(): Interruption | undefined {
    return this.#wanted;
  }

  /** For what is done before there is a run that could be stopped well. */
  get signal(): AbortSignal {
    return this.#stopping.signal;
  }

  /** Resolves when the run has written its checkpoint and waits, or has ended. */
  pause(): Promise<void> {
    if (this.#wanted !== 'stop') this.#wanted = 'pause';
    return this.#arrived.promise;
  }

  resume(): void {
    if (this.#wanted === 'pause') this.#wanted = undefined;
    this.#goOn.resolve();
  }

  /** Resolves when the run has written its checkpoint and ended. */
  stop(): Promise<void> {
    this.#wanted = 'stop';
    this.#stopping.abort();
    this.#goOn.resolve();
    return this.#ended.promise;
  }

  /** For the job: the run is paused now. @returns when it may go on or is to stop */
  async waitWhilePaused(): Promise<void> {
    this.#goOn = waiter();
    this.#arrived.resolve();
    // Asked to go on, or to stop, before the pause began.
    if (this.#wanted !== 'pause') return;
    await this.#goOn.promise;
    this.#arrived = waiter();
  }

  /** For the job: the run pauses by itself, since something outside of it is missing. */
  async pauseByItself(): Promise<void> {
    if (this.#wanted !== 'stop') this.#wanted = 'pause';
    await this.waitWhilePaused();
  }

  /** For the job: nothing will happen any more. */
  end(): void {
    this.#arrived.resolve();
    this.#ended.resolve();
  }
}
