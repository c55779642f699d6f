/**
 * Whose something is: a mark that names a running process, and whether that process has ended. A process id alone is
 * used again by others, so the mark holds when the process began, too, and on which machine it runs.
 */
import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';

const MACHINE = createHash('sha256').update(hostname()).digest('hex').slice(0, 8);
const MARK = /^([0-9a-f]{8})-(\d+)-([0-9a-z]+)$/;
const START_UNKNOWN = '0';

let ownMark: string | undefined;

/** `<machine>-<process id>-<start>`, fit for a file's name. */
export function ownerMark(): string {
  ownMark ??= markOf(process.pid);
  return ownMark;
}

/** The mark of a process that runs on this machine. */
export function markOf(processId: number): string {
  return `${MACHINE}-${processId}-${startOf(processId) ?? START_UNKNOWN}`;
}

/** @returns false also for owners on other machines, and for what is no mark: nobody here knows of them */
export function isOwnerGone(mark: string): boolean {
  const [, machine, id, start] = MARK.exec(mark) ?? [];
  if (machine !== MACHINE) return false;
  const processId = Number(id);
  if (!isProcessAlive(processId)) return true;
  const found = startOf(processId);
  return found !== undefined && start !== START_UNKNOWN && found !== start;
}

export function processIdOf(mark: string): number | undefined {
  const id = MARK.exec(mark)?.[2];
  return id === undefined ? undefined : Number(id);
}

/** A zombie, which nobody has taken leave of yet, is not alive. */
export function isProcessAlive(processId: number): boolean {
  try {
    process.kill(processId, 0);
  } catch (error) {
    // EPERM: alive, and someone else's.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  return process.platform !== 'linux' || statusFields(processId)?.[0] !== 'Z';
}

/** The parent's process id. @returns undefined where nobody can tell */
export function parentOf(processId: number): number | undefined {
  if (process.platform === 'linux') {
    const parent = Number(statusFields(processId)?.[1]);
    return Number.isInteger(parent) && parent > 0 ? parent : undefined;
  }
  const text = askPs(processId, 'ppid=');
  return text === undefined ? undefined : Number(text) || undefined;
}

/** The program's name. @returns undefined where nobody can tell */
export function nameOfProcess(processId: number): string | undefined {
  if (process.platform !== 'linux') return askPs(processId, 'comm=');
  try {
    return readFileSync(`/proc/${processId}/comm`, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** When a process began, in some unit of the system's. */
function startOf(processId: number): string | undefined {
  if (process.platform === 'linux') return statusFields(processId)?.[19];
  return askPs(processId, 'lstart=')
    ?.replaceAll(/[^0-9A-Za-z]/g, '')
    .toLowerCase();
}

/** The fields after the name in /proc/<id>/stat (proc_pid_stat(5)): state, parent, …, start at place 19. */
function statusFields(processId: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${processId}/stat`, 'latin1');
    // The name stands in brackets and may hold any character.
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

function askPs(processId: number, field: string): string | undefined {
  if (process.platform === 'win32') return undefined;
  try {
    const text = execFileSync('ps', ['-o', field, '-p', String(processId)], { encoding: 'utf8' }).trim();
    return text === '' ? undefined : text;
  } catch {
    return undefined;
  }
}
