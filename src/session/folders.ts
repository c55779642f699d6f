/** Folders as the page gets them: picked, dropped, or chosen with an input where the browser has no picker. */
import type { DirectoryReference } from '../../workers/protocol/data/dataset.ts';

export class NotAFolderError extends Error {
  override name = 'NotAFolderError';
  /** @param names of what was dropped */
  constructor(names: readonly string[]) {
    const what =
      names.length === 0
        ? 'That is not a folder.'
        : names.length === 1
          ? `${listOfNames(names)} is a file, not a folder.`
          : `${listOfNames(names)} are files, not folders.`;
    super(`${what} Drop a folder that contains one subfolder per person, with that person’s photos inside.`);
  }
}

const NAMES_SHOWN = 3;

/** `“a.jpg”, “b.jpg” and 5 more` */
export function listOfNames(names: readonly string[]): string {
  const shown = names.slice(0, NAMES_SHOWN).map((name) => `“${name}”`);
  const rest = names.length - shown.length;
  if (rest > 0) return `${shown.join(', ')} and ${rest} more`;
  return shown.length > 1 ? `${shown.slice(0, -1).join(', ')} and ${shown.at(-1)}` : (shown[0] ?? '');
}

export function folderName(reference: DirectoryReference): string {
  switch (reference.kind) {
    case 'handle':
      return reference.handle.name;
    case 'private':
      return privateName(reference.path);
    default:
      return reference.name;
  }
}

/** The sample faces' folder is named by what went into drawing them: `v1-<seed>-<people>x<photos>`. */
function privateName(path: string): string {
  const name = path.split('/').at(-1)!;
  const sample = path.startsWith('sample') ? /-(\d+)x(\d+)$/.exec(name) : null;
  return sample ? `Sample faces ${sample[1]} × ${sample[2]}` : name;
}

/** @throws AbortError when the person closes the picker */
export async function pickFolder(mode: 'read' | 'readwrite'): Promise<DirectoryReference> {
  return { kind: 'handle', handle: await window.showDirectoryPicker({ mode }) };
}

/** From `<input webkitdirectory>`; undefined when nothing was chosen. */
export function folderFromInput(files: FileList | null): DirectoryReference | undefined {
  const first = files?.[0];
  if (!files || !first) return undefined;
  const name = first.webkitRelativePath.split('/')[0]!;
  return {
    kind: 'files',
    name,
    files: Array.from(files, (file) => ({ path: file.webkitRelativePath.slice(name.length + 1), file })),
  };
}

/** Is told what is found in dropped folders where the page has to look into them itself. */
export interface FoundFiles {
  readonly signal: AbortSignal;
  /** @param name of a folder directly below the dropped one, before what is in it */
  onFolder(name: string): void;
  onFile(path: string): void;
  /** @param name of a file that was dropped beside the folders */
  onPassedOver(name: string): void;
}

/**
 * Must be called in the drop event itself: its items are gone afterwards. Where the browser has no handles of folders,
 * all their files are found first.
 * @throws NotAFolderError, and the signal's reason
 */
export async function droppedFolders(
  transfer: DataTransfer,
  found?: FoundFiles,
): Promise<DirectoryReference[]> {
  const items = [...transfer.items].filter((item) => item.kind === 'file');
  const pending = items.map((item): Promise<Dropped> => {
    const name = item.getAsFile()?.name ?? '';
    return 'getAsFileSystemHandle' in item
      ? item.getAsFileSystemHandle().then((handle) => handleReference(handle, name))
      : entryReference((item as DataTransferItem).webkitGetAsEntry(), name, found);
  });
  const dropped = await Promise.all(pending);
  const references = dropped.filter((one) => typeof one !== 'string');
  const names = dropped.filter((one) => typeof one === 'string');
  if (references.length === 0) throw new NotAFolderError(names);
  for (const name of names) found?.onPassedOver(name);
  return references;
}

/** A folder, or the name of what is none. */
type Dropped = DirectoryReference | string;

function handleReference(handle: FileSystemHandle | null, name: string): Dropped {
  return handle?.kind === 'directory'
    ? { kind: 'handle', handle: handle as FileSystemDirectoryHandle }
    : (handle?.name ?? name);
}

async function entryReference(
  entry: FileSystemEntry | null,
  name: string,
  found: FoundFiles | undefined,
): Promise<Dropped> {
  if (!entry?.isDirectory) return entry?.name ?? name;
  const files: { path: string; file: File }[] = [];
  await collectFiles(entry as FileSystemDirectoryEntry, '', files, found);
  return { kind: 'files', name: entry.name, files };
}

async function collectFiles(
  folder: FileSystemDirectoryEntry,
  prefix: string,
  files: { path: string; file: File }[],
  found: FoundFiles | undefined,
): Promise<void> {
  const reader = folder.createReader();
  const subfolders: FileSystemDirectoryEntry[] = [];
  for (;;) {
    // A reader gives its entries in pieces, and an empty piece at the end.
    const entries = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    found?.signal.throwIfAborted();
    if (entries.length === 0) break;
    for (const entry of entries) {
      const path = prefix + entry.name;
      if (entry.isDirectory) {
        subfolders.push(entry as FileSystemDirectoryEntry);
        if (prefix === '') found?.onFolder(entry.name);
      } else {
        const file = await new Promise<File>((resolve, reject) =>
          (entry as FileSystemFileEntry).file(resolve, reject),
        );
        files.push({ path, file });
        found?.onFile(path);
      }
    }
  }
  for (const subfolder of subfolders)
    await collectFiles(subfolder, `${prefix}${subfolder.name}/`, files, found);
}

/**
 * Asks for the folders' permission where it is not given; needs a click.
 * @returns whether all may now be used
 */
export async function requestAccess(
  references: readonly DirectoryReference[],
  mode: 'read' | 'readwrite' = 'read',
): Promise<boolean> {
  for (const reference of references) {
    if (reference.kind !== 'handle') continue;
    const { handle } = reference;
    if ((await handle.queryPermission({ mode })) === 'granted') continue;
    if ((await handle.requestPermission({ mode })) !== 'granted') return false;
  }
  return true;
}
