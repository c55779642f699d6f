import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { makeTemporaryFolder } from '../../../cli/system/clean_up.ts';
import {
  isOwnerGone,
  isProcessAlive,
  markOf,
  ownerMark,
  parentOf,
} from '../../../cli/system/process_owner.ts';
import {
  claimRun,
  disown,
  forget,
  markFinished,
  newSlot,
  remember,
} from '../../../cli/arguments/run_store.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'facenet-test-'));
  vi.stubEnv('FACENET_STATE', join(folder, 'runs'));
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

const paths = { dataDirs: ['/data'], logsBase: '/logs', modelsBase: '/models' };

/** The id of a process that has ended. */
async function deadMark(): Promise<string> {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  const mark = markOf(child.pid!);
  expect(isOwnerGone(mark)).toBe(false);
  expect(parentOf(child.pid!)).toBe(process.pid);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(isProcessAlive(child.pid!)).toBe(false);
  return mark;
}

it('gives a run to one command at a time, and takes it from one that was killed', async () => {
  const slot = newSlot();
  remember(slot, { runId: '20260101-120000', paths });
  expect(() => claimRun('20260101-120000')).toThrow(
    new RegExp(`Another command is training the run .* \\(process ${process.pid}\\)`),
  );
  disown(slot);
  expect(claimRun('20260101-120000').slot).toEqual(slot);
  writeFileSync(join(slot.folder, 'owner'), await deadMark());
  expect(claimRun('20260101-120000').paths).toEqual(paths);
  expect(readdirSync(slot.folder).sort()).toEqual(['owner', 'run.json']);
});

it('takes a run whose dead owner’s process id is used by another process now', () => {
  const slot = newSlot();
  remember(slot, { runId: '20260101-120000', paths });
  const [machine, id] = ownerMark().split('-');
  writeFileSync(join(slot.folder, 'owner'), `${machine}-${id}-1`);
  expect(claimRun('20260101-120000').slot).toEqual(slot);
});

it('deletes what killed commands and ended runs have left when the next run begins', async () => {
  const dead = await deadMark();
  const [started, finished, unfinished, living] = [newSlot(), newSlot(), newSlot(), newSlot()];
  for (const slot of [started, finished, unfinished]) {
    writeFileSync(join(slot.folder, 'owner'), dead);
    mkdirSync(slot.profileFolder);
  }
  remember(finished, { runId: '20260101-120001', paths });
  markFinished(finished);
  remember(unfinished, { runId: '20260101-120002', paths });
  const next = newSlot();
  const left = readdirSync(join(folder, 'runs')).map((name) => join(folder, 'runs', name));
  expect(left.sort()).toEqual([unfinished, living, next].map((slot) => slot.folder).sort());
  expect(() => claimRun('20260101-120001')).toThrow(/These runs can be resumed: 20260101-120002\./);
  forget(next);
});

it('asks which run is meant where two of one name have other folders', () => {
  const [first, second] = [newSlot(), newSlot()];
  remember(first, { runId: '20260101-120000', paths });
  remember(second, { runId: '20260101-120000', paths: { ...paths, modelsBase: '/others' } });
  disown(first);
  disown(second);
  expect(() => claimRun('20260101-120000')).toThrow(/models in .*\/.*--models_base_dir/);
  expect(claimRun('20260101-120000', '/others').slot).toEqual(second);
});

it('makes temporary folders, removes those of killed commands, and says where none can be made', async () => {
  vi.stubEnv('TMPDIR', folder);
  const dead = `facenet-${await deadMark()}-abcdef`;
  mkdirSync(join(folder, dead));
  const made = makeTemporaryFolder();
  expect(readdirSync(folder).map((name) => join(folder, name))).toContain(made);
  expect(readdirSync(folder)).not.toContain(dead);
  vi.stubEnv('TMPDIR', join(folder, 'missing'));
  expect(() => makeTemporaryFolder()).toThrow(/none can be created in .*missing \(ENOENT\).*TMPDIR/);
});
