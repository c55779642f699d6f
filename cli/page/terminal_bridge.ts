/** What terminal.html and the terminal front end say to each other. Values pass as Playwright passes them. */

import type { JobCommand } from '../../workers/protocol/job_control.ts';

export type WorkerName = 'align' | 'dataset' | 'train' | 'library' | 'inspect';

/** Stands for a function among the arguments of a call: the page calls back with its number. */
export interface CallbackMark {
  readonly facenetCallback: number;
}

/** Stands for a job's control among the arguments of a call: the front end sends its commands with its number. */
export interface ControlMark {
  readonly facenetControl: number;
}

/** Stands for a file's content anywhere in the arguments of a call: the page fetches it as a Blob. */
export interface FileMark {
  readonly facenetFile: string;
}

export type CallOutcome =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly name: string; readonly message: string; readonly stack: string };

export interface TerminalBridge {
  /** Calls a method of a worker's api. */
  call(worker: WorkerName, method: string, args: readonly unknown[]): Promise<CallOutcome>;
  /** A command for the control of that number, which may be used by a call that is still to come. */
  control(id: number, command: JobCommand): void;
}

/** The name under which the front end lets the page call it back. */
export const CALLBACK_BINDING = 'facenetCallback';
