/**
 * Files on their way to their names. They are written into a hidden folder of this process in the output folder, and
 * take their names when they are whole: renaming within one file system cannot be seen half done. A process that is
 * killed leaves its hidden folder behind; the next one that opens the same output folder removes it.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { mkdir, open, rename, rm, writeFile, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { diskPath } from './disk_names.ts';
import { ownerMark, isOwnerGone } from './process_owner.ts';

/** Below this size a write is not forced to the disk: a crop lost in a power cut is made again, a checkpoint is not. */
const SYNC_SIZE_BYTES = 1_000_000;
const PART_FOLDER = /^\.facenet-(.+)-\d+\.part$/;

/** Of this process's hidden folders. */
let count = 0;

export class PartFiles {
  readonly #folder: string;
  #writing = 0;

  /** @param root the output folder; what ended processes have left in it is removed */
  constructor(root: string) {
    this.#folder = join(root, `.facenet-${ownerMark()}-${count++}.part`);
    removeLeftovers(root);
  }

  /**
   * @param path below the root, in the form of disk_names.ts; its folders are made, but not the root
   * @param sizeBytes what the content must come to, where that is known
   */
  async write(path: string, content: Readable, sizeBytes: number | undefined): Promise<void> {
    // Made and removed without a pause between looking and doing, so that writes side by side cannot collide.
    if (this.#writing++ === 0) this.#makeFolder();
    const part = join(this.#folder, `${randomBytes(9).toString('base64url')}.part`);
    try {
      await mkdir(diskPath(dirname(path)), { recursive: true });
      const file = await open(part, 'wx');
      try {
        await writeFile(file, content);
        await requireSize(file, sizeBytes, basename(path));
      } finally {
        await file.close();
      }
      await rename(part, diskPath(path));
    } catch (error) {
      await rm(part, { force: true }).catch(() => undefined);
      throw error;
    } finally {
      if (--this.#writing === 0) this.#removeFolder();
    }
  }

  /** @throws ENOENT where the root itself is gone: it is not made again behind the person's back */
  #makeFolder(): void {
    try {
      mkdirSync(this.#folder);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EEXIST') return;
      this.#writing--;
      throw error;
    }
  }

  #removeFolder(): void {
    try {
      rmdirSync(this.#folder);
    } catch {
      // Gone with the root, or held by a file that could not be removed: the next start removes it.
    }
  }

  /** There while a file is written. */
  get folder(): string {
    return this.#folder;
  }
}

async function requireSize(file: FileHandle, expected: number | undefined, name: string): Promise<void> {
  const { size } = await file.stat();
  if (expected !== undefined && expected !== size)
    throw new Error(`${name} was cut off after ${size} of ${expected} bytes.`);
  if (size >= SYNC_SIZE_BYTES) await file.sync();
}

/** Hidden folders of processes that have ended. Those of other machines, which may share the folder, are left. */
export function removeLeftovers(root: string): void {
  let names: string[];
  try {
    names = readdirSync(root);
  } catch {
    // Whoever writes into the folder is told what is wrong with it.
    return;
  }
  for (const name of names) {
    const owner = PART_FOLDER.exec(name)?.[1];
    if (owner === undefined || !isOwnerGone(owner)) continue;
    try {
      rmSync(join(root, name), { recursive: true, force: true });
    } catch {
      // Another process has just done it, or may not: it is hidden, and no part of the output.
    }
  }
}
