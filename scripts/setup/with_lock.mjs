// A lock for one process at a time: a folder in the project's .cache that contains the process id of the owner.
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { projectRoot } from './run_command.mjs';

const POLL_MS = 200;
/** If the owner of a lock has not written its id by then, it has died in between. */
const UNNAMED_LOCK_MS = 5000;

/**
 * @template Result
 * @param {string} name
 * @param {() => Promise<Result>} work
 * @returns {Promise<Result>}
 */
export async function withLock(name, work) {
  const folder = join(projectRoot, '.cache', `${name}.lock`);
  mkdirSync(join(projectRoot, '.cache'), { recursive: true });
  while (!tryLock(folder)) {
    if (isAbandoned(folder)) rmSync(folder, { recursive: true, force: true });
    else await sleep(POLL_MS);
  }
  try {
    return await work();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function tryLock(folder) {
  try {
    mkdirSync(folder);
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
  writeFileSync(join(folder, 'owner'), String(process.pid));
  return true;
}

function isAbandoned(folder) {
  let owner;
  try {
    owner = Number(readFileSync(join(folder, 'owner'), 'utf8'));
  } catch {
    owner = 0;
  }
  try {
    if (!owner) return Date.now() - statSync(folder).mtimeMs > UNNAMED_LOCK_MS;
    process.kill(owner, 0);
    return false;
  } catch (error) {
    // EPERM: the process is alive and belongs to another user.
    return error.code !== 'EPERM';
  }
}
