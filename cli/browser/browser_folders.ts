/**
 * The folders of a browser that a command starts: for its temporary files, a profile among them, and for its sockets.
 * Both belong to the command and go with it, also when it ends while the browser is still starting.
 */
import { rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { makeTemporaryFolder } from '../system/clean_up.ts';

export interface BrowserFolders {
  readonly files: string;
  /** The browser's TMPDIR; the same folder wherever the paths of sockets in it are short enough. */
  readonly sockets: string;
}

/** The longest path of a Unix socket, bytes, on the system that allows least (macOS). Beyond it Chromium ends without a word. */
const LONGEST_SOCKET_PATH = 103;
const SOCKET_IN_FOLDER = '/org.chromium.Chromium.XXXXXX/SingletonSocket';

/** @throws CommandError */
export function makeBrowserFolders(): BrowserFolders {
  const files = makeTemporaryFolder();
  return { files, sockets: hasRoomForSockets(files) ? files : makeTemporaryFolder('/tmp') };
}

/** Whether the paths of Chromium's sockets in the folder are short enough. */
export function hasRoomForSockets(folder: string): boolean {
  return process.platform === 'win32' || Buffer.byteLength(folder + SOCKET_IN_FOLDER) <= LONGEST_SOCKET_PATH;
}

/** A browser that has just ended may still hold a file for a moment. */
export async function removeFolders(folders: BrowserFolders): Promise<void> {
  for (const folder of Object.values(folders) as string[])
    await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }).catch(() => undefined);
}

/** When the program ends, there is no time to wait. */
export function removeFolderAtOnce(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true, maxRetries: 3, retryDelay: 50 });
  } catch {
    // The program that cleans up after this one tries again.
  }
}

/** An environment without the variables that are not set. */
export function definedIn(environment: NodeJS.ProcessEnv): Record<string, string> {
  const set = Object.entries(environment).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  );
  return Object.fromEntries(set);
}
