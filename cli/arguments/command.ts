/** What a command is, and what it is given to work with. */
import { JobControl } from '../../workers/protocol/job_control.ts';
import type { BackendName } from '../../workers/protocol/device.ts';
import type { BrowserSession } from '../browser/browser_session.ts';
import type { Arguments, FlagSpec, PositionalSpec } from './flags.ts';
import type { Output } from './output.ts';

export interface Command {
  readonly name: string;
  /** Names that it had in earlier versions. They still start it. */
  readonly formerNames?: readonly string[];
  /** One sentence. */
  readonly summary: string;
  /** More of it, below the summary in --help. */
  readonly details?: string;
  readonly positionals: readonly PositionalSpec[];
  readonly flags: readonly FlagSpec[];
  /** A line for --help, without `npm run --silent facenet --`. */
  readonly example: string;
  run(context: CommandContext): Promise<CommandResult>;
}

export interface CommandResult {
  /** What --json prints. */
  readonly json: Readonly<Record<string, unknown>>;
  /** Default: 0. */
  readonly exitCode?: number;
}

export interface CommandContext {
  readonly args: Arguments;
  readonly output: Output;
  /**
   * Starts the browser.
   * @param profileFolder what the browser keeps in it outlives the command; default: a temporary one
   */
  openSession(profileFolder?: string): Promise<BrowserSession>;
  /** On the first Ctrl-C `stop` is called, so that the job ends well; on the second everything ends. */
  onInterrupt(stop: () => unknown): void;
  readonly interrupted: boolean;
}

/** A control for one job, which the first Ctrl-C cancels. */
export function interruptibleControl(context: Pick<CommandContext, 'onInterrupt'>): JobControl {
  const control = new JobControl();
  context.onInterrupt(() => control.cancel());
  return control;
}

/** For every command. */
export const COMMON_FLAGS: readonly FlagSpec[] = [
  {
    name: 'browser',
    type: 'text',
    placeholder: 'path',
    description:
      'The Chromium, Chrome or Edge to use. Default: an installed one; if there is none, one is installed.',
  },
  {
    name: 'browser_args',
    type: 'text',
    placeholder: 'text',
    takesDashes: true,
    description: 'Extra flags for the browser, separated by spaces.',
  },
  { name: 'json', type: 'flag', description: 'Print the result as one JSON object in the last line.' },
  { name: 'verbose', type: 'flag', description: "Show the page's console, and full error messages." },
  { name: 'help', type: 'flag', description: 'Show this help.' },
];

/** For commands whose backend is not a training option. */
export const BACKEND_FLAG: FlagSpec = {
  name: 'backend',
  type: 'choice',
  choices: ['auto', 'webgpu', 'wasm'],
  default: 'auto',
  description: 'webgpu: the GPU; wasm: the CPU, through WebAssembly; auto: the GPU if there is one.',
};

/** Of the original's programs, which share a GPU by it; the session notes that it has no effect. */
export const GPU_MEMORY_FLAG: FlagSpec = {
  name: 'gpu_memory_fraction',
  type: 'number',
  minimum: 0,
  maximum: 1,
  description: 'Has no effect. Accepted so that old commands keep working.',
};

/** @returns undefined for `auto` */
export function chosenBackend(args: Arguments): BackendName | undefined {
  const value = args.values['backend'];
  return value === 'webgpu' || value === 'wasm' ? value : undefined;
}

/** A flag's text, which may not have been given. */
export function textOf(args: Arguments, name: string): string | undefined {
  const value = args.values[name];
  return value === undefined || value === '' ? undefined : String(value);
}

/** A number flag that has a default. */
export function numberOf(args: Arguments, name: string): number {
  return Number(args.values[name]);
}

export function isSet(args: Arguments, name: string): boolean {
  return args.values[name] === true;
}
