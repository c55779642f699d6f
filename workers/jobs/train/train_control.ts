/**
 * What the page may ask of a running training (pause, resume, stop), and how the run pauses: when it is asked to, or when a
 * folder cannot be used.
 */
import { FolderUnavailableError, PermissionLostError } from '../../protocol/data/file_errors.ts';
import type { RunStatus } from '../../protocol/train/runs.ts';
import type { TrainEvent } from '../../protocol/train/train.ts';
import type { Interruption } from '../../training/loop.ts';
import type { JobControl } from '../../protocol/job_control.ts';
import type { RunKeeper } from './run_keeper.ts';

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

/** The pauses of a run, which its record and the page show. */
export class RunPauses {
  readonly #keeper: RunKeeper;
  readonly #control: TrainControl;
  readonly #onEvent: (event: TrainEvent) => void;
  readonly #isAnyoneThere: boolean;

  /** @param isAnyoneThere a person who can bring a folder back and press “Resume”; else the run ends */
  constructor(
    keeper: RunKeeper,
    control: TrainControl,
    onEvent: (event: TrainEvent) => void,
    isAnyoneThere: boolean,
  ) {
    this.#keeper = keeper;
    this.#control = control;
    this.#onEvent = onEvent;
    this.#isAnyoneThere = isAnyoneThere;
  }

  async setStatus(status: RunStatus, message: string): Promise<void> {
    await this.#keeper.update({ status });
    this.#onEvent({ kind: 'status', status, message });
  }

  /** The person asked for it; a checkpoint is written. */
  async pauseAsAsked(): Promise<void> {
    await this.setStatus('paused', `Saved at step ${this.#keeper.run.step}.`);
    await this.#control.waitWhilePaused();
    await this.#goOn();
  }

  /** A folder that is gone, or whose permission is, pauses the run. @throws the problem where nobody could help */
  async pauseFor(problem: FolderUnavailableError): Promise<void> {
    if (!this.#isAnyoneThere) throw problem;
    await this.setStatus(
      'paused',
      problem instanceof PermissionLostError
        ? `${problem.message} Press “Resume” to allow access again.`
        : `${problem.message} The run is paused until you press “Resume”.`,
    );
    await this.#control.pauseByItself();
    await this.#goOn();
  }

  async #goOn(): Promise<void> {
    if (this.#control.wanted !== 'stop') await this.setStatus('running', 'The run continues.');
  }

  /** Pauses where a folder cannot be used, then does the work again; left out when the run is to stop. */
  async whilePermitted(work: () => Promise<void>): Promise<void> {
    while (this.#control.wanted !== 'stop')
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof FolderUnavailableError)) throw error;
        await this.pauseFor(error);
      }
  }
}
