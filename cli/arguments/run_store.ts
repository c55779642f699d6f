/**
 * Runs that can go on: a browser profile each, with the checkpoints in it, and beside it what the command line said.
 * A finished run's is deleted; its model and its logs are where the person wanted them.
 */
import { randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { CommandError } from '../system/errors.ts';
import type { PairsChoice } from './pairs.ts';
import { isOwnerGone, ownerMark, processIdOf } from '../system/process_owner.ts';

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
  /** The run is over, and its slot is about to be deleted. */
  readonly isFinished?: boolean | undefined;
}

export interface RunSlot {
  readonly folder: string;
  /** For the browser. */
  readonly profileFolder: string;
}

const RECORD = 'run.json';
/** Holds the mark of the process that works on the run. */
const OWNER = 'owner';
/** A slot without a record and an owner by then belongs to a command that was killed before its run began. */
const ABANDONED_MS = 24 * 60 * 60 * 1000;

function storeFolder(): string {
  const state = process.env.XDG_STATE_HOME ?? join(homedir(), '.local', 'state');
  return process.env.FACENET_STATE ?? join(state, 'facenet-webgpu-trainer', 'runs');
}

/** A new slot, owned by this process. What ended runs and killed commands have left is deleted. */
export function newSlot(): RunSlot {
  const store = storeFolder();
  mkdirSync(store, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(store)) deleteIfOver(slotAt(join(store, name)));
  const slot = slotAt(mkdtempSync(join(store, 'run-')));
  writeFileSync(join(slot.folder, OWNER), ownerMark());
  return slot;
}

function deleteIfOver(slot: RunSlot): void {
  try {
    const record = recordOf(slot);
    if (record && !record.isFinished) return;
    const owner = ownerOf(slot);
    const isOver =
      owner === undefined ? Date.now() - statSync(slot.folder).mtimeMs > ABANDONED_MS : isOwnerGone(owner);
    if (isOver) forget(slot);
  } catch {
    // Another command is deleting it, or its browser still writes: the next start tries again.
  }
}

function slotAt(folder: string): RunSlot {
  return { folder, profileFolder: join(folder, 'profile') };
}

export function remember(slot: RunSlot, run: StoredRun): void {
  const path = join(slot.folder, RECORD);
  // A record that is cut off would lose the run.
  writeFileSync(`${path}.part`, JSON.stringify(run, undefined, 2));
  renameSync(`${path}.part`, path);
}

/** Makes sure that the slot is deleted at the latest when the next run begins. */
export function markFinished(slot: RunSlot): void {
  const run = recordOf(slot);
  if (run) remember(slot, { ...run, isFinished: true });
}

/** The browser must have ended. */
export function forget(slot: RunSlot): void {
  rmSync(slot.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}

/**
 * The run, now owned by this process.
 * @param modelsBase tells runs of one name in several folders apart
 * @throws CommandError naming the runs there are, or who works on this one
 */
export function claimRun(runId: string, modelsBase?: string): StoredRun & { readonly slot: RunSlot } {
  const runs = storedRuns();
  const found = runs.filter((run) => run.runId === runId);
  const wanted = found.length > 1 ? found.filter(({ paths }) => paths.modelsBase === modelsBase) : found;
  if (found.length > 1 && wanted.length !== 1)
    throw new CommandError(
      `There are ${found.length} unfinished runs named ${runId}, with models in ${found.map(({ paths }) => paths.modelsBase).join(' and ')}. Choose one with --models_base_dir.`,
    );
  const [run] = wanted;
  if (!run) {
    const names = runs.map((other) => other.runId).sort();
    throw new CommandError(
      `There is no unfinished run ${runId}. ${names.length ? `These runs can be resumed: ${names.join(', ')}.` : 'There is no run to resume. To train a finished run further, start a new run from its model with --pretrained_model.'}`,
    );
  }
  own(run.slot, runId);
  return run;
}

/** @throws CommandError where a process that lives owns the slot */
function own(slot: RunSlot, runId: string): void {
  const path = join(slot.folder, OWNER);
  for (;;)
    try {
      writeFileSync(path, ownerMark(), { flag: 'wx' });
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      const owner = ownerOf(slot);
      if (owner !== undefined && !isOwnerGone(owner))
        throw new CommandError(
          `Another command is training the run ${runId} (process ${processIdOf(owner) ?? owner}). Stop it there first with Ctrl-C.`,
          { cause: error },
        );
      // Moved, and not deleted: of several commands that find the same dead owner, one moves it.
      const old = `${path}.${randomBytes(6).toString('base64url')}`;
      try {
        renameSync(path, old);
      } catch {
        continue;
      }
      rmSync(old, { force: true });
    }
}

/** The run can be gone on with by others. */
export function disown(slot: RunSlot): void {
  if (ownerOf(slot) === ownerMark()) rmSync(join(slot.folder, OWNER), { force: true });
}

function ownerOf(slot: RunSlot): string | undefined {
  try {
    return readFileSync(join(slot.folder, OWNER), 'utf8');
  } catch {
    return undefined;
  }
}

/** @returns undefined where no run has begun in the slot */
function recordOf(slot: RunSlot): StoredRun | undefined {
  try {
    return JSON.parse(readFileSync(join(slot.folder, RECORD), 'utf8')) as StoredRun;
  } catch {
    return undefined;
  }
}

function storedRuns(): (StoredRun & { readonly slot: RunSlot })[] {
  const store = storeFolder();
  if (!existsSync(store)) return [];
  return readdirSync(store).flatMap((name) => {
    const slot = slotAt(join(store, name));
    const run = recordOf(slot);
    return run && !run.isFinished ? [{ ...run, slot }] : [];
  });
}
