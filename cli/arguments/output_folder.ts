/** Folders that a command writes into. */
import { accessSync, constants, mkdirSync, realpathSync } from 'node:fs';
import { basename, dirname, join, sep } from 'node:path';
import { CommandError } from '../system/errors.ts';
import { kindOf } from '../system/paths.ts';

/** Makes the folder where it is missing, and makes sure, before hours of work, that it can be written to. */
export function prepareOutputFolder(path: string): string {
  if (kindOf(path) === 'file') throw new CommandError(`${path} is a file, but the output must be a folder.`);
  try {
    mkdirSync(path, { recursive: true });
    accessSync(path, constants.W_OK | constants.X_OK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new CommandError(
      `${path} is not writable (${code ?? String(error)}). Choose another output folder.`,
      {
        cause: error,
      },
    );
  }
  return path;
}

/**
 * An output among the photos would be read as photos the next time, or be mixed up with them.
 * @param output the folder, or the file, that is written; links are followed
 * @throws CommandError
 */
export function requireApart(input: string, output: string): void {
  const [from, to] = [realPathOf(input), realPathOf(output)];
  if (to !== from && !to.startsWith(from.endsWith(sep) ? from : from + sep)) return;
  const where = to === from ? 'the input folder itself' : `inside the input folder ${input}`;
  throw new CommandError(
    `${output} is ${where}. Choose an output folder outside it, so that photos and results stay apart.`,
  );
}

/** Of what may not exist yet: that of the nearest folder which does, with the rest of the path. */
function realPathOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const parent = dirname(path);
    return parent === path ? path : join(realPathOf(parent), basename(path));
  }
}
