/** Paths as a person types them. */
import { existsSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CommandError } from './errors.ts';

export const projectRoot = resolve(fileURLToPath(new URL('../..', import.meta.url)));

/** Where the person is: npm changes to the project's folder and says in INIT_CWD where it was called. */
export function workingFolder(): string {
  const current = process.cwd();
  return current === projectRoot ? (process.env.INIT_CWD ?? current) : current;
}

/** An absolute path; a leading `~` that no shell has replaced (`--name=~/x`, `a:~/b`) is the home folder. */
export function resolvePath(text: string): string {
  const expanded = text === '~' || /^~[/\\]/.test(text) ? join(homedir(), text.slice(1)) : text;
  return resolve(workingFolder(), expanded);
}

/** `a:b` → two paths, as the original's data_dir; a colon after a drive letter separates nothing. */
export function splitPaths(text: string): string[] {
  return text
    .split(/(?<!(?:^|:)[A-Za-z](?=:[\\/])):/)
    .filter((part) => part !== '')
    .map(resolvePath);
}

/**
 * A file that the original keeps in its own data/ folder: `data/…` is looked for here, then in this project.
 * @returns undefined when there is none
 */
export function findDataFile(text: string): string | undefined {
  return [resolvePath(text), resolve(projectRoot, text)].find(
    (path) => existsSync(path) && statSync(path).isFile(),
  );
}

/** @throws CommandError */
export function requireFolder(path: string): string {
  const kind = kindOf(path);
  if (kind === undefined) throw new CommandError(`There is no folder ${path}. ${wayForward(path)}`);
  if (kind === 'file') throw new CommandError(`${path} is a file, but a folder is needed here.`);
  return path;
}

/** A file, as its folder and its name. @throws CommandError */
export function requireFile(path: string): { folder: string; name: string } {
  const kind = kindOf(path);
  if (kind === undefined) throw new CommandError(`There is no file ${path}. ${wayForward(path)}`);
  if (kind === 'folder') throw new CommandError(`${path} is a folder, but a file is needed here.`);
  return { folder: dirname(path), name: basename(path) };
}

/** Node gives a path that was typed, or a working folder, as text: bytes that are no UTF-8 are lost in it. */
function wayForward(path: string): string {
  return path.includes('\uFFFD')
    ? 'Its name is not valid UTF-8 (shown by �), so it cannot be given here. Rename it, use a symbolic link to it (ln -s), or give the folder that contains it.'
    : 'Check the path.';
}

export function kindOf(path: string): 'file' | 'folder' | undefined {
  try {
    return statSync(path).isDirectory() ? 'folder' : 'file';
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new CommandError(`${path} cannot be read: ${code ?? String(error)}.`, { cause: error });
  }
}
