/** Where a job's files go: a folder, or a zip that ends with the job. */
import type { WritableDirectory } from '../protocol/data/directories.ts';
import { openWritableDirectory } from '../files/open.ts';
import { ZipDirectory } from '../formats/zip_directory.ts';
import type { AlignOutput } from '../protocol/align/align.ts';

/**
 * A zip is whole when this resolves. Where the work fails, whoever reads the zip is told why, and does not wait for more.
 * @param work gets what opens the output; a folder is not made before
 * @throws ZipNotWrittenError, and what the work throws
 */
export async function withOutput<Result>(
  output: AlignOutput,
  work: (open: () => Promise<WritableDirectory>) => Promise<Result>,
): Promise<Result> {
  if (output.kind === 'directory') return work(() => openWritableDirectory(output.directory));
  const zip = new ZipDirectory(output.stream);
  try {
    const result = await work(async () => zip);
    await zip.close();
    return result;
  } catch (error) {
    await zip.abort(error);
    throw error;
  }
}
