/** undefined in browsers without a private file system, and in private windows of some others. */
export async function privateFileSystem(): Promise<FileSystemDirectoryHandle | undefined> {
  try {
    return await navigator.storage.getDirectory();
  } catch {
    return undefined;
  }
}
