/** Folders that a command writes into. */
import { accessSync, constants, mkdirSync } from 'node:fs';
import { CommandError } from './errors.ts';
import { kindOf } from './paths.ts';

/** Makes the folder where it is missing, and makes sure, before hours of work, that it can be written to. */
export function prepareOutputFolder(path: string): string {
  if (kindOf(path) === 'file') throw new CommandError(`${path} is a file; the output needs a folder.`);
  try {
    mkdirSync(path, { recursive: true });
    accessSync(path, constants.W_OK | constants.X_OK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new CommandError(
      `Nothing can be written into ${path} (${code ?? String(error)}). Choose another output folder.`,
      {
        cause: error,
      },
    );
  }
  return path;
}
