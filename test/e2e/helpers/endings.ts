/**
 * Ends terminal commands in the middle, in every way, and finds what they leave behind. Needs a Unix with /proc, npm
 * and script(1).
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { projectRoot } from '../../../cli/system/paths.ts';
import {
  bytesOfField,
  FieldBudget,
  protobufFields,
  sizeOf,
  textOf,
} from '../../../workers/formats/protobuf_reader.ts';

export const ENDINGS = ['kill -9', 'SIGINT', 'SIGTERM', 'SIGHUP', 'closed pipe', 'closed terminal'] as const;
export type Ending = (typeof ENDINGS)[number];

const GONE_LIMIT_MS = 180_000;

export class StartedCommand {
  output = '';
  readonly #child: ChildProcess;
  readonly #ending: Ending | undefined;
  readonly #ended: Promise<unknown>;

  /** @param ending decides whether the command is started in a terminal, or with a reader of its output */
  constructor(args: readonly string[], home: string, ending?: Ending) {
    mkdirSync(join(home, 'tmp'), { recursive: true });
    const env = {
      ...process.env,
      HOME: home,
      XDG_STATE_HOME: join(home, 'state'),
      TMPDIR: join(home, 'tmp'),
    };
    const command = ['run', '--silent', 'facenet', '--', ...args];
    const quoted = `npm ${command.map((part) => `'${part}'`).join(' ')}`;
    const options = { cwd: projectRoot, env, detached: true } as const;
    this.#child =
      ending === 'closed terminal'
        ? spawn('script', ['-qec', quoted, '/dev/null'], { ...options, stdio: 'pipe' })
        : spawn('npm', command, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#child.stdout!, this.#child.stderr!])
      stream.on('data', (chunk) => (this.output += String(chunk)));
    this.#ending = ending;
    this.#ended = once(this.#child, 'exit');
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** @returns the exit code */
  async end(): Promise<number | null> {
    await this.#ended;
    return this.#child.exitCode;
  }

  /** @param toGroup signals reach npm, its shell and the program, as from a terminal; else npm alone */
  interrupt(toGroup: boolean): void {
    const id = this.#child.pid!;
    switch (this.#ending) {
      case 'kill -9':
        return signal(-id, 'SIGKILL');
      case 'closed terminal':
        return signal(id, 'SIGKILL');
      case 'closed pipe':
        this.#child.stdout!.destroy();
        return;
      case undefined:
        return;
      default:
        signal(toGroup ? -id : id, this.#ending);
    }
  }
}

function signal(id: number, name: NodeJS.Signals): void {
  try {
    process.kill(id, name);
  } catch {
    // The process has just ended by itself.
  }
}

/** The command lines of the processes that were started with this home folder. */
export function processesOf(home: string): string[] {
  return readdirSync('/proc').flatMap((id) => {
    if (!/^\d+$/.test(id)) return [];
    try {
      if (!readFileSync(`/proc/${id}/environ`, 'latin1').includes(`HOME=${home}\0`)) return [];
      const command = readFileSync(`/proc/${id}/cmdline`, 'latin1').replaceAll('\0', ' ').trim();
      // A zombie process has no command line.
      return command === '' ? [] : [`${id} ${command.slice(0, 100)}`];
    } catch {
      return [];
    }
  });
}

/** Everything that is left of a command some time after its end. */
export async function leftovers(home: string): Promise<string[]> {
  for (let waitedMs = 0; processesOf(home).length > 0 && waitedMs < GONE_LIMIT_MS; waitedMs += 200)
    await sleep(200);
  return [
    ...processesOf(home),
    // tsx caches compiled files for the next start.
    ...readdirSync(join(home, 'tmp'))
      .filter((name) => !name.startsWith('tsx-'))
      .map((name) => `tmp/${name}`),
    ...hiddenBelow(join(home, 'out')).map((path) => `out/${path}`),
  ];
}

export function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true })
    .map(String)
    .filter((path) => statSync(join(folder, path)).isFile())
    .sort();
}

function hiddenBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true })
    .map(String)
    .filter((path) => /(^|\/)\.|\.part(\/|$)/.test(path));
}

/**
 * The bytes of the values in a safetensors file, without the header, which has the run's name.
 * @throws if incomplete
 */
export function safetensorsValues(path: string): Buffer {
  const file = readFileSync(path);
  const start = 8 + Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString('utf8', 8, start)) as Record<
    string,
    { data_offsets?: [number, number] }
  >;
  const end = Math.max(...Object.values(header).map(({ data_offsets: offsets }) => offsets?.[1] ?? 0));
  if (start + end !== file.length) throw new Error(`${path} is cut off.`);
  return file.subarray(start);
}

/** The steps that TensorBoard shows for a tag, after it has read all files. */
export function loggedSteps(folder: string, tag: string): number[] {
  let steps: number[] = [];
  const budget = new FieldBudget();
  for (const name of readdirSync(folder).sort()) {
    if (!name.includes('tfevents')) continue;
    const file = readFileSync(join(folder, name));
    for (let at = 0; at < file.length;) {
      const end = at + 12 + Number(file.readBigUInt64LE(at));
      let [step, hasTag, isStart] = [0, false, false];
      for (const field of protobufFields(file.subarray(at + 12, end), budget)) {
        if (field.number === 2) step = sizeOf(field);
        if (field.number === 7) isStart = true;
        if (field.number === 5)
          for (const value of protobufFields(bytesOfField(field), budget))
            for (const part of protobufFields(bytesOfField(value), budget))
              if (part.number === 1 && textOf(part) === tag) hasTag = true;
      }
      if (isStart) steps = steps.filter((earlier) => earlier < step);
      if (hasTag) steps.push(step);
      at = end + 4;
    }
  }
  return steps;
}
