/**
 * Photos that a person has set aside: no face is wanted of them. They are written down in the output folder, so that an
 * alignment that is continued, or done again, does not align them either.
 */
import * as v from 'valibot';
import type { ReadableDirectory, WritableDirectory } from '../../protocol/data/directories.ts';

const FILE = 'set_aside.json';
const SetAside = v.object({ photos: v.array(v.string()) });

export class SetAsideListDamagedError extends Error {
  override name = 'SetAsideListDamagedError';
  constructor(folder: string) {
    super(
      `${FILE} in the folder "${folder}" is not a list of photos. Correct it or delete it. Deleting it does not delete any faces.`,
    );
  }
}

/** @returns paths of photos @throws SetAsideListDamagedError */
export async function readSetAside(output: ReadableDirectory): Promise<Set<string>> {
  if (!(await output.exists(FILE))) return new Set();
  const text = await (await output.read(FILE)).text();
  // What an interrupted write leaves.
  if (text === '') return new Set();
  try {
    return new Set(v.parse(SetAside, JSON.parse(text)).photos);
  } catch {
    throw new SetAsideListDamagedError(output.name);
  }
}

export async function writeSetAside(output: WritableDirectory, paths: ReadonlySet<string>): Promise<void> {
  if (paths.size === 0) {
    if (await output.exists(FILE)) await output.remove(FILE);
    return;
  }
  await output.write(FILE, `${JSON.stringify({ photos: [...paths].sort() }, null, 2)}\n`);
}
