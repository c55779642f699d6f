/**
 * Runs that can go on: a browser profile each, with the checkpoints in it, and beside it what the command line said.
 * A finished run's is deleted; its model and its logs are where the person wanted them.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { CommandError } from './errors.ts';
import type { PairsChoice } from './pairs.ts';

/** What a run needs beside its checkpoint; paths are absolute. */
export interface RunFolderPaths {
  readonly dataDirs: readonly string[];
  /** For an evaluation after each epoch. */
  readonly lfw?: { readonly folder: string; readonly pairs: PairsChoice } | undefined;
  readonly logsBase: string;
  readonly modelsBase: string;
}

interface StoredRun {
  readonly runId: string;
  readonly paths: RunFolderPaths;
}

export interface RunSlot {
  readonly folder: string;
  /** For the browser. */
  readonly profileFolder: string;
}

const RECORD = 'run.json';
/** A slot without a record by then belongs to a command that was killed before its run began. */
const ABANDONED_MS = 24 * 60 * 60 * 1000;

function storeFolder(): string {
  const state = process.env.XDG_STATE_HOME ?? join(homedir(), '.local', 'state');
  return process.env.FACENET_STATE ?? join(state, 'facenet-webgpu-trainer', 'runs');
}

export function newSlot(): RunSlot {
  const store = storeFolder();
  mkdirSync(store, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(store)) {
    const folder = join(store, name);
    if (!existsSync(join(folder, RECORD)) && Date.now() - statSync(folder).mtimeMs > ABANDONED_MS)
      rmSync(folder, { recursive: true, force: true });
  }
  return slotAt(mkdtempSync(join(store, 'run-')));
}

function slotAt(folder: string): RunSlot {
  return { folder, profileFolder: join(folder, 'profile') };
}

export function remember(slot: RunSlot, run: StoredRun): void {
  writeFileSync(join(slot.folder, RECORD), JSON.stringify(run, undefined, 2));
}

/** The browser must have ended. */
export function forget(slot: RunSlot): void {
  rmSync(slot.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}

/** @throws CommandError naming the runs there are */
export function findRun(runId: string): StoredRun & { readonly slot: RunSlot } {
  const runs = storedRuns();
  const found = runs.find((run) => run.runId === runId);
  if (found) return found;
  const names = runs.map((run) => run.runId).sort();
  throw new CommandError(
    `There is no unfinished run ${runId}. ${names.length ? `These can go on: ${names.join(', ')}.` : 'None can go on; a finished run is gone on with as a new one that starts from its model: --pretrained_model.'}`,
  );
}

function storedRuns(): (StoredRun & { readonly slot: RunSlot })[] {
  const store = storeFolder();
  if (!existsSync(store)) return [];
  return readdirSync(store).flatMap((name) => {
    const slot = slotAt(join(store, name));
    try {
      const run = JSON.parse(readFileSync(join(slot.folder, RECORD), 'utf8')) as StoredRun;
      return [{ ...run, slot }];
    } catch {
      // No run began in it.
      return [];
    }
  });
}
