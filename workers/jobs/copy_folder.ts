/** A folder's files, as they are, into another folder or a zip file. */
import { openDirectory } from '../files/open.ts';
import type { AlignOutput } from '../protocol/align/align.ts';
import type { DirectoryReference } from '../protocol/data/dataset.ts';
import { withOutput } from './job_output.ts';

/**
 * @param onProgress told of how many files are written
 * @throws the signal's reason, with the files so far whole, but for a zip, of which nothing is left; and what reading and
 * writing throw
 */
export function copyFolder(
  from: DirectoryReference,
  output: AlignOutput,
  onProgress: (done: number, total: number) => void,
  signal: AbortSignal,
): Promise<number> {
  return withOutput(output, async (open) => {
    const source = await openDirectory(from);
    const paths: string[] = [];
    for await (const { path } of source.list(signal)) paths.push(path);
    paths.sort();
    const target = await open();
    for (const [index, path] of paths.entries()) {
      signal.throwIfAborted();
      await target.write(path, await source.read(path));
      onProgress(index + 1, paths.length);
    }
    return paths.length;
  });
}
