/**
 * Photos that a person has left out by hand. They are written down in the output folder, so that an alignment that is
 * continued, or done again, leaves them out, too.
 */
import * as v from 'valibot';
import type { ReadableDirectory, WritableDirectory } from '../dataset/directory.ts';

const FILE = 'left_out.json';
const LeftOut = v.object({ photos: v.array(v.string()) });

export class LeftOutListDamagedError extends Error {
  override name = 'LeftOutListDamagedError';
  constructor(folder: string) {
    super(
      `${FILE} in the folder "${folder}" is no list of photos. Mend it or delete it; no face depends on it.`,
    );
  }
}

/** @returns paths of photos @throws LeftOutListDamagedError */
export async function readLeftOut(output: ReadableDirectory): Promise<Set<string>> {
  if (!(await output.exists(FILE))) return new Set();
  const text = await (await output.read(FILE)).text();
  // What an interrupted write leaves.
  if (text === '') return new Set();
  try {
    return new Set(v.parse(LeftOut, JSON.parse(text)).photos);
  } catch {
    throw new LeftOutListDamagedError(output.name);
  }
}

export async function writeLeftOut(output: WritableDirectory, paths: ReadonlySet<string>): Promise<void> {
  if (paths.size === 0) {
    if (await output.exists(FILE)) await output.remove(FILE);
    return;
  }
  await output.write(FILE, `${JSON.stringify({ photos: [...paths].sort() }, null, 2)}\n`);
}
