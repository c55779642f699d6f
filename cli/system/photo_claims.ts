/**
 * Several processes align into one folder: each photo is claimed before it is read, by a file in a hidden folder of the
 * output folder. What a killed process has claimed is taken over; the last process to end removes the hidden folder.
 */
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ClaimRequest, ClaimState } from '../../workers/protocol/data/claims.ts';
import { isOwnerGone, ownerMark } from './process_owner.ts';

export const CLAIMS_FOLDER = '.facenet-claims';
const OWNER_FILE = /^(.+)\.owner$/;
const FAILED = 'failed ';
/** A claim of another machine, of whose processes nothing is known here, ends after this time. */
const LIMIT_MS = 10 * 60_000;

export class PhotoClaims {
  readonly #folder: string;
  readonly #owner: string;
  readonly #startedAtMs = Date.now();
  readonly #own = new Set<string>();
  #begun: Promise<void> | undefined;

  /** @param root the output folder; @param owner this process, but for tests */
  constructor(root: string, owner = ownerMark()) {
    this.#folder = join(root, CLAIMS_FOLDER);
    this.#owner = owner;
  }

  /** First gives back, then claims; in the order of the names to claim. */
  async exchange({ claim, release, failed, end }: ClaimRequest): Promise<ClaimState[]> {
    this.#begun ??= this.#begin();
    await this.#begun;
    for (const name of failed) await this.#markFailed(this.#fileOf(name));
    for (const name of release) await this.#release(this.#fileOf(name));
    const states: ClaimState[] = [];
    for (const name of claim) states.push(await this.#claim(this.#fileOf(name)));
    if (end) await this.#end();
    return states;
  }

  #fileOf(name: string): string {
    return join(this.#folder, createHash('sha256').update(name).digest('hex').slice(0, 32));
  }

  async #begin(): Promise<void> {
    await this.#makeFolder();
    if ((await this.#others()).length === 0) await this.#removeClaims();
  }

  async #makeFolder(): Promise<void> {
    // Not recursive: an output folder that was deleted is not made again.
    await mkdir(this.#folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
    await writeFile(join(this.#folder, `${this.#owner}.owner`), '').catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
      // The last of the others has removed the folder since. Where the output folder is gone, making it fails.
      return this.#makeFolder();
    });
  }

  /** Other processes that are at work, as far as can be known. */
  async #others(): Promise<string[]> {
    const owners: string[] = [];
    for (const name of await readdir(this.#folder)) {
      const owner = OWNER_FILE.exec(name)?.[1];
      if (owner === undefined || owner === this.#owner) continue;
      if (isOwnerGone(owner)) await rm(join(this.#folder, name), { force: true });
      else owners.push(owner);
    }
    return owners;
  }

  async #removeClaims(): Promise<void> {
    for (const name of await readdir(this.#folder))
      if (!OWNER_FILE.test(name)) await rm(join(this.#folder, name), { force: true });
  }

  async #claim(file: string): Promise<ClaimState> {
    for (;;) {
      try {
        await writeFile(file, this.#owner, { flag: 'wx' });
        this.#own.add(file);
        return 'granted';
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        // The last of the others has just removed the folder.
        if (code === 'ENOENT') await this.#makeFolder();
        else if (code !== 'EEXIST') throw error;
      }
      if (this.#own.has(file)) return 'granted';
      const state = await this.#stateOf(file);
      if (state !== 'stale') return state;
      await this.#takeAway(file);
    }
  }

  async #stateOf(file: string): Promise<'held' | 'failed' | 'stale'> {
    try {
      const [text, { mtimeMs }] = [await readFile(file, 'utf8'), await stat(file)];
      const isFailure = text.startsWith(FAILED);
      const owner = isFailure ? text.slice(FAILED.length) : text;
      const isGone = isOwnerGone(owner) || Date.now() - mtimeMs > LIMIT_MS;
      // What failed while this process was at work is not tried again, also when the other one has ended.
      if (isFailure) return isGone && mtimeMs < this.#startedAtMs ? 'stale' : 'failed';
      return isGone ? 'stale' : 'held';
    } catch (error) {
      // Released in this moment.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'stale';
      throw error;
    }
  }

  /** Of a process that is gone. Renamed first: where another process has claimed it anew, it gets its claim back. */
  async #takeAway(file: string): Promise<void> {
    const aside = `${file}.${randomBytes(6).toString('hex')}`;
    try {
      await rename(file, aside);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      throw error;
    }
    if ((await this.#stateOf(aside)) === 'stale') await unlink(aside);
    else await rename(aside, file);
  }

  async #release(file: string): Promise<void> {
    if (this.#own.delete(file)) await rm(file, { force: true });
  }

  async #markFailed(file: string): Promise<void> {
    if (this.#own.delete(file)) await writeFile(file, FAILED + this.#owner);
  }

  /** Failures stay for the processes that are still at work. */
  async #end(): Promise<void> {
    this.#begun = undefined;
    for (const file of this.#own) await rm(file, { force: true });
    this.#own.clear();
    try {
      await rm(join(this.#folder, `${this.#owner}.owner`), { force: true });
      if ((await this.#others()).length === 0) await rm(this.#folder, { recursive: true, force: true });
    } catch {
      // The output folder is gone, or another process removes the folder in this moment.
    }
  }
}
