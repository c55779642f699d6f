/** What a run says of itself, and its pauses: those that the person asks for, and those for want of a permission. */
import { FolderUnavailableError, PermissionLostError } from '../../protocol/data/file_errors.ts';
import type { RunStatus } from '../../protocol/train/runs.ts';
import type { TrainEvent } from '../../protocol/train/train.ts';
import type { RunKeeper } from './run_keeper.ts';
import type { TrainControl } from './train_control.ts';

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
