/**
 * `bounding_boxes_NNNNN.txt` as the original writes it beside the faces: a line `path x1 y1 x2 y2` for a face, the path
 * alone for a photo that gave none. Every run has a file of its own.
 */
import type { ReadableDirectory, WritableDirectory } from '../../protocol/data/directories.ts';

const FILE_NAME = /^bounding_boxes_\d{5}\.txt$/;
const FACE_LINE = /^(.*) (-?\d+) (-?\d+) (-?\d+) (-?\d+)$/;

export function isBoundingBoxesPath(path: string): boolean {
  return FILE_NAME.test(path);
}

export function faceLine(path: string, box: readonly number[]): string {
  return `${path} ${box.join(' ')}\n`;
}

export function failureLine(path: string): string {
  return `${path}\n`;
}

/** @returns undefined for an empty line */
function readLine(line: string): { path: string; isFace: boolean } | undefined {
  const path = FACE_LINE.exec(line)?.[1];
  if (path !== undefined) return { path, isFace: true };
  return line === '' ? undefined : { path: line, isFace: false };
}

/** What the files list, and where. */
export class BoundingBoxes {
  /** The files that have a line for a path: next to always one. */
  readonly #files = new Map<string, string | string[]>();
  readonly #failures = new Set<string>();
  /** Paths with a line of each kind: a failed photo that gave a face later. */
  readonly #both = new Set<string>();

  /** @param names of the files */
  static async read(output: ReadableDirectory, names: Iterable<string>): Promise<BoundingBoxes> {
    const boxes = new BoundingBoxes();
    for (const name of names) {
      for (const text of (await (await output.read(name)).text()).split('\n')) {
        const line = readLine(text);
        if (line) boxes.#add(name, line);
      }
    }
    return boxes;
  }

  #add(name: string, { path, isFace }: { path: string; isFace: boolean }): void {
    if (this.#files.has(path) && isFace === this.#failures.has(path)) this.#both.add(path);
    if (!isFace) this.#failures.add(path);
    const known = this.#files.get(path);
    if (known === undefined) this.#files.set(path, name);
    else if (typeof known === 'string') this.#files.set(path, [known, name]);
    else known.push(name);
  }

  /** Whether there is a line with a box. */
  hasFace(path: string): boolean {
    return this.#files.has(path) && (!this.#failures.has(path) || this.#both.has(path));
  }

  hasFailure(path: string): boolean {
    return this.#failures.has(path);
  }

  /** The files that have lines about these paths. */
  filesWith(paths: Iterable<string>): Set<string> {
    return new Set([...paths].flatMap((path) => this.#files.get(path) ?? []));
  }
}

/**
 * Puts `line` in the place of the lines about these paths, in whichever of the files they are; without one, only removes
 * them.
 * @param names of the files; default: all of the folder's
 * @returns whether there were any
 */
export async function replaceLines(
  output: WritableDirectory,
  paths: readonly string[],
  line?: string,
  names?: Iterable<string>,
): Promise<boolean> {
  const isAbout = new Set(paths);
  let hasReplaced = false;
  for (const name of names ?? (await boundingBoxesFiles(output))) {
    const lines = (await (await output.read(name)).text()).split('\n');
    const kept: string[] = [];
    let isChanged = false;
    for (const text of lines) {
      const read = readLine(text);
      if (!read || !isAbout.has(read.path)) {
        kept.push(text);
        continue;
      }
      if (line !== undefined && !hasReplaced) kept.push(line.trimEnd());
      isChanged = hasReplaced = true;
    }
    if (!isChanged) continue;
    if (kept.every((text) => text === '')) await output.remove(name);
    else await output.write(name, kept.join('\n'));
  }
  return hasReplaced;
}

async function boundingBoxesFiles(output: ReadableDirectory): Promise<string[]> {
  const names: string[] = [];
  for await (const { path } of output.list()) if (isBoundingBoxesPath(path)) names.push(path);
  return names;
}
