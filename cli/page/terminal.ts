/**
 * The page without a user interface: the workers, for the terminal front end that drives a headless browser (see cli/).
 * Functions among the arguments and errors in the results cannot cross to it as they are; see terminal_bridge.ts.
 */
import { proxy, type Remote } from 'comlink';
import { JobControl } from '../../workers/protocol/job_control.ts';
import type { WorkerClient } from '../../workers/rpc/worker_client.ts';
import {
  alignWorker,
  datasetWorker,
  libraryWorker,
  inspectWorker,
  trainWorker,
} from '../../src/session/workers.ts';
import {
  CALLBACK_BINDING,
  type CallbackMark,
  type CallOutcome,
  type ControlMark,
  type FileMark,
  type TerminalBridge,
  type WorkerName,
} from './terminal_bridge.ts';

/** The terminal front end knows the workers' types; here any method will do. */
type AnyApi = Record<string, (...args: unknown[]) => unknown>;

const workers = {
  align: alignWorker,
  dataset: datasetWorker,
  train: trainWorker,
  library: libraryWorker,
  inspect: inspectWorker,
} as unknown as Record<WorkerName, WorkerClient<AnyApi>>;

const controls = new Map<number, JobControl>();

function controlOf(id: number): JobControl {
  const control = controls.get(id) ?? new JobControl();
  controls.set(id, control);
  return control;
}

async function call(worker: WorkerName, method: string, args: readonly unknown[]): Promise<CallOutcome> {
  const callbacks: Promise<void>[] = [];
  const wrapped = args.map((argument) => {
    if (isControlMark(argument)) return controlOf(argument.facenetControl);
    if (!isCallbackMark(argument)) return argument;
    return proxy((...values: unknown[]) => {
      callbacks.push(callBack(argument.facenetCallback, values));
    });
  });
  try {
    const passed = await Promise.all(wrapped.map(withFiles));
    const value = await workers[worker].call(
      (api: Remote<AnyApi>) => api[method]!(...passed) as Promise<unknown>,
    );
    // Every event before the result.
    await Promise.all(callbacks);
    return { ok: true, value: passable(value) };
  } catch (error) {
    const { name, message, stack = '' } = error instanceof Error ? error : new Error(String(error));
    return { ok: false, name, message, stack };
  } finally {
    for (const argument of args) if (isControlMark(argument)) controls.delete(argument.facenetControl);
  }
}

function callBack(id: number, values: readonly unknown[]): Promise<void> {
  const bindings = globalThis as unknown as Record<string, (id: number, values: unknown[]) => Promise<void>>;
  return bindings[CALLBACK_BINDING]!(id, values.map(passable));
}

/** The argument with file marks replaced by what the files hold. */
async function withFiles(argument: unknown): Promise<unknown> {
  if (Array.isArray(argument)) return Promise.all(argument.map(withFiles));
  if (typeof argument !== 'object' || argument === null || argument instanceof JobControl) return argument;
  if (isFileMark(argument)) {
    const response = await fetch(argument.facenetFile);
    if (!response.ok) throw new Error(`A file of the command line could not be read (${response.status}).`);
    return response.blob();
  }
  const entries = Object.entries(argument).map(
    async ([key, value]) => [key, await withFiles(value)] as const,
  );
  return Object.fromEntries(await Promise.all(entries));
}

/** Pictures stay in the page; typed arrays become plain ones. */
function passable(value: unknown): unknown {
  if (value instanceof ImageBitmap) {
    value.close();
    return undefined;
  }
  if (ArrayBuffer.isView(value)) return Array.from(value as unknown as ArrayLike<number>);
  if (Array.isArray(value)) return value.map(passable);
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, passable(entry)]));
  return value;
}

function isCallbackMark(value: unknown): value is CallbackMark {
  return typeof value === 'object' && value !== null && 'facenetCallback' in value;
}

function isControlMark(value: unknown): value is ControlMark {
  return typeof value === 'object' && value !== null && 'facenetControl' in value;
}

function isFileMark(value: object): value is FileMark {
  return 'facenetFile' in value;
}

(globalThis as unknown as { facenet: TerminalBridge }).facenet = {
  call,
  control: (id, command) => controlOf(id).apply(command),
};
