/**
 * What a command leaves behind for a while (a browser with its temporary profile, files that are being written) goes
 * also when the command is killed: a small program beside it, which waits for its end, removes it then.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { CommandError } from './errors.ts';
import { projectRoot } from './paths.ts';
import { isOwnerGone, ownerMark } from './process_owner.ts';

export class CleanUp {
  readonly #input: Writable | undefined;

  constructor() {
    const child = spawn(process.execPath, [join(projectRoot, 'scripts/setup/clean_up_after.mjs')], {
      // A group of its own, so that the terminal's signals pass it by.
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    // Where no other process can be started, the next command's start cleans up.
    child.on('error', () => undefined);
    child.stdin.on('error', () => undefined);
    child.unref();
    (child.stdin as unknown as { unref?: () => void }).unref?.();
    this.#input = child.stdin;
  }

  /** Removed when this program ends in any way. */
  add(path: string): void {
    this.#send({ add: path });
  }

  /** The claims that this program makes in a folder are given back when it ends in any way. */
  addClaims(folder: string, owner: string): void {
    this.#send({ claims: folder, owner });
  }

  /** Ended when this program ends in any way. */
  addBrowser(processId: number): void {
    this.#send({ browser: processId });
  }

  #send(message: Readonly<Record<string, unknown>>): void {
    this.#input?.write(`${JSON.stringify(message)}\n`);
  }
}

const TEMPORARY_FOLDER = /^facenet-(.+)-[A-Za-z0-9]{6}$/;

/**
 * Makes a folder for a browser's temporary files, and removes those of commands that have ended without doing so.
 * @param folder where it is made; at once, so that no signal comes between making it and adding it to what is removed
 * @throws CommandError
 */
export function makeTemporaryFolder(folder = tmpdir()): string {
  removeLeftoverFolders(folder);
  try {
    return mkdtempSync(join(folder, `facenet-${ownerMark()}-`));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new CommandError(
      `The browser needs a temporary folder, but none can be created in ${folder} (${code ?? String(error)}). Set the environment variable TMPDIR to another folder.`,
      { cause: error },
    );
  }
}

function removeLeftoverFolders(folder: string): void {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return;
  }
  for (const name of names) {
    const owner = TEMPORARY_FOLDER.exec(name)?.[1];
    if (owner === undefined || !isOwnerGone(owner)) continue;
    try {
      rmSync(join(folder, name), { recursive: true, force: true });
    } catch {
      // Another person's, or removed by another command at this moment.
    }
  }
}
