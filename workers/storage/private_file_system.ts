/** Some browsers have no private file system, and some refuse it in private windows: then nothing is stored in it. */
export async function privateFileSystem(): Promise<FileSystemDirectoryHandle | undefined> {
  try {
    return await navigator.storage.getDirectory();
  } catch {
    return undefined;
  }
}
