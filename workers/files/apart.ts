/** Keeps photos and results apart. Results among the photos would be read as photos the next time. */
import type { DirectoryReference } from '../protocol/data/directories.ts';

export class OutputInsideInputError extends Error {
  override name = 'OutputInsideInputError';
  constructor(output: string, input: string) {
    super(
      `The output folder "${output}" is the folder of photos "${input}" or is inside it. Choose an output folder outside it.`,
    );
  }
}

/**
 * Folders that the terminal serves are not compared here, but by the command, which knows their paths.
 * @throws OutputInsideInputError
 */
export async function requireApart(
  inputs: readonly DirectoryReference[],
  output: DirectoryReference,
): Promise<void> {
  for (const input of inputs) {
    if (input.kind === 'private' && output.kind === 'private' && isWithin(output.path, input.path))
      throw new OutputInsideInputError(output.path, input.path);
    // null if the output is not inside the input.
    if (input.kind === 'handle' && output.kind === 'handle' && (await input.handle.resolve(output.handle)))
      throw new OutputInsideInputError(output.handle.name, input.handle.name);
  }
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}
