/**
 * Real folders for the page, over HTTP on the page's own origin: the other end of workers/dataset/http_directory.ts,
 * which describes the protocol.
 *
 * What the page can reach is what the command opened: each folder's address holds an unguessable token, a path below
 * it cannot leave it (no `..`), and a folder opened for reading takes no writes. Symbolic links inside a folder are
 * followed, as datasets are often put together from them; links in a circle are not.
 */
import { randomBytes } from 'node:crypto';
import type { Dirent, Stats } from 'node:fs';
import { mkdir, open, opendir, realpath, rename, rm, stat, unlink, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { basename, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

export const FOLDERS_PATH = '/folders/';

/** Below this size a write is not forced to the disk: a crop lost in a power cut is made again, a checkpoint is not. */
const SYNC_SIZE_BYTES = 1_000_000;
const LIST_CHUNK_CHARACTERS = 65_536;

export interface FolderAccess {
  readonly writable?: boolean;
  /** Nothing but these files of the folder is seen. */
  readonly only?: readonly string[];
}

interface OpenFolder extends FolderAccess {
  readonly path: string;
}

export interface FolderFailure {
  /** As Node calls it: EACCES, ENOSPC … */
  readonly code: string;
  readonly path: string;
}

class BadPathError extends Error {
  override name = 'BadPathError';
}

class ReadOnlyError extends Error {
  override name = 'ReadOnlyError';
  readonly code = 'EROFS';
}

export class FolderServer {
  readonly #token = randomBytes(24).toString('base64url');
  readonly #folders: OpenFolder[] = [];
  readonly #onSkipped: (failure: FolderFailure) => void;
  #lastFailure: FolderFailure | undefined;

  /** @param onSkipped told about subfolders that cannot be listed; the rest is */
  constructor(onSkipped: (failure: FolderFailure) => void = () => undefined) {
    this.#onSkipped = onSkipped;
  }

  /** What last went wrong with the disk, for a message that names the real path. */
  get lastFailure(): FolderFailure | undefined {
    return this.#lastFailure;
  }

  /** @returns the folder's address below the origin: `/folders/<token>/<number>` */
  open(path: string, access: FolderAccess = {}): string {
    this.#folders.push({ ...access, path });
    return `${FOLDERS_PATH}${this.#token}/${this.#folders.length - 1}`;
  }

  /** @returns false when the address is none of a folder */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    // Not with URL, which would follow `..` instead of refusing it.
    const [pathname = '', query] = (request.url ?? '').split('?', 2);
    if (!pathname.startsWith(FOLDERS_PATH)) return false;
    const [token, id, ...encodedParts] = pathname.slice(FOLDERS_PATH.length).split('/');
    const folder = token === this.#token && /^\d+$/.test(id ?? '') ? this.#folders[Number(id)] : undefined;
    if (!folder) {
      send(response, 404, 'No such folder.');
      return true;
    }
    let path = folder.path;
    try {
      if (encodedParts.length === 0) {
        if (request.method === 'GET' && query === 'list') await this.#list(folder, response);
        else send(response, 405, 'A folder can only be listed.');
        return true;
      }
      const parts = encodedParts.map(decodePart);
      path = join(folder.path, ...parts);
      await this.#serveFile(folder, parts.join('/'), path, request, response);
    } catch (error) {
      this.#fail(error, path, request, response);
    }
    return true;
  }

  async #serveFile(
    folder: OpenFolder,
    name: string,
    path: string,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    if (folder.only && !folder.only.includes(name)) return send(response, 404, 'No such file.');
    switch (request.method) {
      case 'GET':
      case 'HEAD':
        return sendFile(path, request.method === 'HEAD', response);
      case 'PUT':
        if (!folder.writable) throw new ReadOnlyError(`${folder.path} was opened for reading`);
        await writeAtomically(path, request);
        return send(response, 204);
      case 'DELETE':
        if (!folder.writable) throw new ReadOnlyError(`${folder.path} was opened for reading`);
        await unlink(path);
        return send(response, 204);
      default:
        return send(response, 405, 'GET, HEAD, PUT or DELETE.');
    }
  }

  async #list(folder: OpenFolder, response: ServerResponse): Promise<void> {
    // Opened once before the answer begins, so that a folder that cannot be read has a status of its own.
    await (await opendir(folder.path)).close();
    response.writeHead(200, { 'Content-Type': 'application/x-ndjson', 'Cache-Control': 'no-store' });
    const paths = folder.only ?? this.#filesBelow(folder.path, '', new Set([await realpath(folder.path)]));
    await pipeline(Readable.from(inChunks(paths)), response);
  }

  /** @param ancestors real paths of the folders that lead here */
  async *#filesBelow(folder: string, prefix: string, ancestors: ReadonlySet<string>): AsyncIterable<string> {
    const subfolders: string[] = [];
    try {
      for await (const entry of await opendir(folder)) {
        if (entry.name.startsWith('.')) continue;
        const kind = await kindOfEntry(entry, join(folder, entry.name));
        if (kind === 'file') yield prefix + entry.name;
        else if (kind === 'folder') subfolders.push(entry.name);
      }
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (!code) throw error;
      this.#onSkipped({ code, path: folder });
    }
    for (const name of subfolders) {
      const path = join(folder, name);
      const real = await realpath(path).catch(() => undefined);
      if (real === undefined || ancestors.has(real)) continue;
      yield* this.#filesBelow(path, `${prefix}${name}/`, new Set([...ancestors, real]));
    }
  }

  #fail(error: unknown, path: string, request: IncomingMessage, response: ServerResponse): void {
    const { code = '', message } = error as NodeJS.ErrnoException;
    // Asking whether a file exists is no failure.
    const status = error instanceof BadPathError ? 400 : statusOf(code);
    if (status !== 404) this.#lastFailure = { code, path };
    if (response.headersSent) {
      response.destroy();
      return;
    }
    // What the page still sends of a refused file is not waited for.
    if (!request.complete) response.setHeader('Connection', 'close');
    send(response, status, message);
  }
}

/** The protocol's status for an error of the file system. */
export function statusOf(code: string): number {
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return 404;
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return 403;
    case 'ENOSPC':
    case 'EDQUOT':
      return 507;
    case 'EISDIR':
    case 'ENOTEMPTY':
      return 409;
    case 'ENAMETOOLONG':
      return 400;
    default:
      return 500;
  }
}

function decodePart(encoded: string): string {
  let part: string;
  try {
    part = decodeURIComponent(encoded);
  } catch {
    throw new BadPathError('The path is not percent-encoded UTF-8.');
  }
  const hasSeparator = /[/\0]/.test(part) || (process.platform === 'win32' && /[\\:]/.test(part));
  if (part === '' || part === '.' || part === '..' || hasSeparator)
    throw new BadPathError('The path has a part that is no name.');
  return part;
}

async function* inChunks(paths: Iterable<string> | AsyncIterable<string>): AsyncIterable<string> {
  let chunk = '';
  for await (const path of paths) {
    chunk += `${JSON.stringify({ path })}\n`;
    if (chunk.length < LIST_CHUNK_CHARACTERS) continue;
    yield chunk;
    chunk = '';
  }
  if (chunk !== '') yield chunk;
}

async function kindOfEntry(entry: Dirent, path: string): Promise<'file' | 'folder' | undefined> {
  if (!entry.isSymbolicLink()) return kindOfStats(entry);
  // A link that leads nowhere is left out.
  const target = await stat(path).catch(() => undefined);
  return target && kindOfStats(target);
}

/** Devices, sockets and pipes are neither. */
function kindOfStats(stats: Dirent | Stats): 'file' | 'folder' | undefined {
  return stats.isFile() ? 'file' : stats.isDirectory() ? 'folder' : undefined;
}

async function sendFile(path: string, headersOnly: boolean, response: ServerResponse): Promise<void> {
  const stats = await stat(path);
  if (!stats.isFile()) return send(response, 404, 'No such file.');
  const headers = {
    'Content-Type': 'application/octet-stream',
    'X-Content-Type-Options': 'nosniff',
    'Content-Length': stats.size,
    // Photos stay where they are: the browser keeps none.
    'Cache-Control': 'no-store',
  };
  if (headersOnly) {
    response.writeHead(200, headers).end();
    return;
  }
  if (stats.size === 0) {
    response.writeHead(200, headers).end();
    return;
  }
  // The stream closes the file, whatever becomes of the answer.
  const content = (await open(path)).createReadStream({ end: stats.size - 1 });
  response.writeHead(200, headers);
  await pipeline(content, response);
}

/** Into a hidden file beside it first, which then takes its name: a reader sees the old file or the new one, whole. */
async function writeAtomically(path: string, request: IncomingMessage): Promise<void> {
  const folder = join(path, '..');
  await mkdir(folder, { recursive: true });
  const temporary = join(folder, `.${randomBytes(9).toString('base64url')}.part`);
  try {
    const file = await open(temporary, 'wx');
    try {
      await writeFile(file, request);
      const { size } = await file.stat();
      const announced = request.headers['content-length'];
      if (announced !== undefined && Number(announced) !== size)
        throw new Error(`${basename(path)} was cut off after ${size} of ${announced} bytes.`);
      if (size >= SYNC_SIZE_BYTES) await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

function send(response: ServerResponse, status: number, text = ''): void {
  response
    .writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store' })
    .end(text);
}
