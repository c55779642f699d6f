/**
 * Real folders for the page, over HTTP on the page's own origin: the other end of workers/files/http_directory.ts,
 * which describes the protocol.
 *
 * What the page can reach is what the command opened: each folder's address holds an unguessable token, a path below
 * it cannot leave it (no `..`), and a folder opened for reading takes no writes. Symbolic links inside a folder that is
 * read are followed, as datasets are often put together from them; links in a circle are not. In a folder that is
 * written to, links that lead out of it are neither followed nor listed.
 *
 * Names that are not UTF-8 are listed, asked for and written in the form that disk_names.ts describes. All paths in here
 * have it, but for those that a folder was opened with.
 */
import { randomBytes } from 'node:crypto';
import type { Dirent, Stats } from 'node:fs';
import { appendFile, lstat, mkdir, open, opendir, realpath, rmdir, stat, unlink } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { dirname, join, sep } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import type { ClaimRequest } from '../../workers/protocol/data/claims.ts';
import { diskPath, escapeText, textOfBytes } from '../system/disk_names.ts';
import { PartFiles } from '../system/part_files.ts';
import type { CleanUp } from '../system/clean_up.ts';
import { CLAIMS_FOLDER, PhotoClaims } from '../system/photo_claims.ts';
import { ownerMark } from '../system/process_owner.ts';

export const FOLDERS_PATH = '/folders/';

const LIST_CHUNK_CHARACTERS = 65_536;

export interface FolderAccess {
  readonly writable?: boolean;
  /** Nothing but these files of the folder is seen. */
  readonly only?: readonly string[];
}

interface OpenFolder extends FolderAccess {
  readonly path: string;
  /** Of a folder that is written to. */
  readonly parts?: PartFiles | undefined;
  claims?: PhotoClaims;
}

/** The code of a failure that no system has: a symbolic link leads out of the output folder. */
export const LINK_OUTSIDE = 'LINK_OUTSIDE';

export interface FolderFailure {
  /** As Node calls it (EACCES, ENOSPC …), or LINK_OUTSIDE. */
  readonly code: string;
  readonly path: string;
}

type ByteEntry = Omit<Dirent, 'name'> & { readonly name: Uint8Array };

class BadPathError extends Error {
  override name = 'BadPathError';
}

class ReadOnlyError extends Error {
  override name = 'ReadOnlyError';
  readonly code = 'EROFS';
}

class LinkOutsideError extends Error {
  override name = 'LinkOutsideError';
  readonly code = LINK_OUTSIDE;
}

/** The hidden files of an output folder, as far as CleanUp has to know them. */
type Leftovers = Pick<CleanUp, 'add' | 'addClaims'>;

export class FolderServer {
  readonly #token = randomBytes(24).toString('base64url');
  readonly #folders: OpenFolder[] = [];
  readonly #onSkipped: (failure: FolderFailure) => void;
  readonly #leftovers: Leftovers | undefined;
  #lastFailure: FolderFailure | undefined;

  /**
   * @param onSkipped told about subfolders that cannot be listed; the rest is
   * @param leftovers takes what is to be removed however this program ends, before it is made
   */
  constructor(onSkipped: (failure: FolderFailure) => void = () => undefined, leftovers?: Leftovers) {
    this.#onSkipped = onSkipped;
    this.#leftovers = leftovers;
  }

  /** What last went wrong with the disk, for a message that names the real path. */
  get lastFailure(): FolderFailure | undefined {
    return this.#lastFailure;
  }

  /** @returns the folder's address below the origin: `/folders/<token>/<number>` */
  open(path: string, access: FolderAccess = {}): string {
    const parts = access.writable ? new PartFiles(path) : undefined;
    if (parts) {
      this.#leftovers?.add(parts.folder);
      this.#leftovers?.addClaims(join(path, CLAIMS_FOLDER), ownerMark());
    }
    this.#folders.push({ ...access, path, parts });
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
        else if (request.method === 'HEAD') await this.#answerThere(folder, response);
        else if (request.method === 'POST' && query === 'stats') await sendStats(folder, request, response);
        else if (request.method === 'POST' && query === 'claims') await sendClaims(folder, request, response);
        else send(response, 405, 'A folder can only be listed.');
        return true;
      }
      const parts = encodedParts.map(decodePart);
      path = pathIn(folder, parts);
      if (folder.writable) await requireInside(folder.path, path);
      if (query === 'folder') await this.#serveFolder(folder, path, request, response);
      else await this.#serveFile(folder, parts.join('/'), path, request, response);
    } catch (error) {
      await this.#fail(error, folder, path, request, response);
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
        await partsOf(folder).write(path, request, announcedSize(request));
        return send(response, 204);
      case 'POST':
        partsOf(folder);
        await appendText(escapeText(folder.path), path, request);
        return send(response, 204);
      case 'DELETE':
        partsOf(folder);
        await unlink(diskPath(path));
        return send(response, 204);
      default:
        return send(response, 405, 'GET, HEAD, PUT, POST or DELETE.');
    }
  }

  /** A folder that a process claims for itself: made here and nowhere else, or not at all. */
  async #serveFolder(
    folder: OpenFolder,
    path: string,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    partsOf(folder);
    switch (request.method) {
      case 'PUT':
        await mkdir(diskPath(path));
        return send(response, 201);
      case 'DELETE':
        await rmdir(diskPath(path));
        return send(response, 204);
      default:
        return send(response, 405, 'PUT or DELETE.');
    }
  }

  async #answerThere(folder: OpenFolder, response: ServerResponse): Promise<void> {
    await (await opendir(folder.path)).close();
    if (await isVanished(folder)) throw Object.assign(new Error('The folder is gone.'), { code: 'ENOENT' });
    send(response, 204);
  }

  async #list(folder: OpenFolder, response: ServerResponse): Promise<void> {
    // Opened once before the answer begins, so that a folder that cannot be read has a status of its own.
    await (await opendir(folder.path)).close();
    response.writeHead(200, { 'Content-Type': 'application/x-ndjson', 'Cache-Control': 'no-store' });
    const path = escapeText(folder.path);
    const root = await realPathOf(path);
    const paths =
      folder.only ?? this.#filesBelow(path, '', new Set([root]), folder.writable ? root : undefined);
    await pipeline(Readable.from(inChunks(paths)), response);
  }

  /**
   * @param ancestors real paths of the folders that lead here
   * @param fence the real path that links may not lead out of
   */
  async *#filesBelow(
    folder: string,
    prefix: string,
    ancestors: ReadonlySet<string>,
    fence: string | undefined,
  ): AsyncIterable<string> {
    const subfolders: string[] = [];
    try {
      for await (const entry of await openBytes(folder)) {
        const name = textOfBytes(entry.name);
        if (name.startsWith('.')) continue;
        const kind = await kindOfEntry(entry, join(folder, name), fence);
        if (kind === 'file') yield prefix + name;
        else if (kind === 'folder') subfolders.push(name);
      }
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // Without its root a listing would look like that of a small folder.
      if (!code || prefix === '') throw error;
      this.#onSkipped({ code, path: folder });
    }
    for (const name of subfolders) {
      const path = join(folder, name);
      const real = await realPathOf(path).catch(() => undefined);
      if (real === undefined || ancestors.has(real)) continue;
      yield* this.#filesBelow(path, `${prefix}${name}/`, new Set([...ancestors, real]), fence);
    }
  }

  async #fail(
    error: unknown,
    folder: OpenFolder,
    path: string,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const { code = '', message } = error as NodeJS.ErrnoException;
    const isReading = request.method === 'GET' || request.method === 'HEAD';
    const status = error instanceof BadPathError ? 400 : await this.#statusFor(code, folder, path, isReading);
    // Asking whether a file exists is no failure, and one file that cannot be read is named in the answer.
    if (status === 410) this.#lastFailure = { code, path: folder.path };
    else if (status !== 404 && status !== 422) this.#lastFailure = { code, path };
    if (response.headersSent) {
      response.destroy();
      return;
    }
    // What the page still sends of a refused file is not waited for.
    if (!request.complete) response.setHeader('Connection', 'close');
    send(response, status, status === 422 ? (code === 'ENOENT' ? LINK_TO_NOTHING : code) : message);
  }

  /** Whether it is this file's fault or the whole folder's is not in the system's code: the folder is looked at. */
  async #statusFor(code: string, folder: OpenFolder, path: string, isReading: boolean): Promise<number> {
    const status = statusOf(code);
    if (status === 404) {
      if (await isVanished(folder)) return 410;
      return isReading && !folder.writable && (await isLink(path)) ? 422 : 404;
    }
    const isOneFile =
      isReading && path !== escapeText(folder.path) && (status === 403 || UNREADABLE_CODES.has(code));
    if (!isOneFile || code === LINK_OUTSIDE) return status;
    if (await isVanished(folder)) return 410;
    return (await isAllowed(folder.path)) ? 422 : 403;
  }
}

/** Of a file whose content does not come, whatever the permissions say: a bad sector, a broken network drive. */
const UNREADABLE_CODES: ReadonlySet<string> = new Set([
  'EIO',
  'ENXIO',
  'ELOOP',
  'EINVAL',
  'EBADMSG',
  'ESTALE',
  'EUCLEAN',
  'ETIMEDOUT',
]);

const LINK_TO_NOTHING = 'a symbolic link that leads nowhere';

async function isLink(path: string): Promise<boolean> {
  return lstat(diskPath(path)).then(
    (stats) => stats.isSymbolicLink(),
    () => false,
  );
}

/** @throws ReadOnlyError */
function partsOf(folder: OpenFolder): PartFiles {
  if (!folder.parts) throw new ReadOnlyError(`${folder.path} was opened for reading`);
  return folder.parts;
}

function announcedSize({ headers }: IncomingMessage): number | undefined {
  const announced = headers['content-length'];
  return announced === undefined ? undefined : Number(announced);
}

/** Also a folder of photos with nothing in it any more: where a drive was removed, its empty mount point stays. */
async function isVanished({ path, writable }: OpenFolder): Promise<boolean> {
  try {
    const folder = await opendir(path);
    const first = await folder.read();
    await folder.close();
    return first === null && !writable;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' || code === 'ENOTDIR';
  }
}

async function isAllowed(folder: string): Promise<boolean> {
  try {
    await (await opendir(folder)).close();
    return true;
  } catch {
    return false;
  }
}

/** @param parts of a path below the folder; where files were named by a person, their names are as on the disk */
function pathIn({ path, only }: OpenFolder, parts: readonly string[]): string {
  return join(escapeText(path), ...(only ? parts.map(escapeText) : parts));
}

async function realPathOf(path: string): Promise<string> {
  return textOfBytes(await realpath(diskPath(path), { encoding: 'buffer' }));
}

/** A folder's entries, with their names as bytes. */
function openBytes(folder: string): Promise<AsyncIterable<ByteEntry>> {
  // Node's types know the entries' names as text only.
  const options = { encoding: 'buffer' as BufferEncoding };
  return opendir(diskPath(folder) as string, options) as unknown as Promise<AsyncIterable<ByteEntry>>;
}

/**
 * Follows the links on the way to a path as far as it exists.
 * @throws LinkOutsideError
 */
async function requireInside(root: string, path: string): Promise<void> {
  const top = escapeText(root);
  const fence = await realPathOf(top);
  for (let existing = path; existing !== top; existing = dirname(existing)) {
    const real = await realPathOf(existing).catch((error: NodeJS.ErrnoException) => {
      // What does not exist yet, or is a link to nowhere, is decided by the folder that it is in.
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR' || error.code === 'ENAMETOOLONG')
        return undefined;
      throw error;
    });
    if (real === undefined) continue;
    if (!isWithin(real, fence)) throw new LinkOutsideError(`${existing} leads out of ${root}.`);
    return;
  }
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
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
    case LINK_OUTSIDE:
      return 403;
    case 'ENOSPC':
    case 'EDQUOT':
      return 507;
    case 'EEXIST':
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
  return requireName(part);
}

function requireName(part: string): string {
  const hasSeparator = /[/\0]/.test(part) || (process.platform === 'win32' && /[\\:]/.test(part));
  if (part === '' || part === '.' || part === '..' || hasSeparator)
    throw new BadPathError('A part of the path is not a valid name.');
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

async function kindOfEntry(
  entry: ByteEntry,
  path: string,
  fence: string | undefined,
): Promise<'file' | 'folder' | undefined> {
  if (!entry.isSymbolicLink()) return kindOfStats(entry);
  if (fence !== undefined && !isWithin(await realPathOf(path).catch(() => fence), fence)) return undefined;
  const target = await stat(diskPath(path)).catch(() => undefined);
  if (target) return kindOfStats(target);
  // A photo whose link leads nowhere is listed, so that it fails by its name; nobody asks for such a face.
  return fence === undefined ? 'file' : undefined;
}

/** Devices, sockets and pipes are neither. */
function kindOfStats(stats: ByteEntry | Stats): 'file' | 'folder' | undefined {
  return stats.isFile() ? 'file' : stats.isDirectory() ? 'folder' : undefined;
}

async function sendFile(path: string, headersOnly: boolean, response: ServerResponse): Promise<void> {
  const stats = await stat(diskPath(path));
  if (!stats.isFile()) return send(response, 404, 'No such file.');
  const headers = {
    'Content-Type': 'application/octet-stream',
    'X-Content-Type-Options': 'nosniff',
    'Content-Length': stats.size,
    'X-Modified-Ms': modifiedMsOf(stats),
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
  const content = (await open(diskPath(path))).createReadStream({ end: stats.size - 1 });
  response.writeHead(200, headers);
  await pipeline(content, response);
}

/** Only what has arrived completely is added, in one piece: other processes may add to the same file. */
async function appendText(root: string, path: string, request: IncomingMessage): Promise<void> {
  const added = await text(request);
  if (!request.complete) throw new Error(`What is added to ${path} was cut off.`);
  // The folder itself is not made again behind the person's back.
  if (dirname(path) !== root) await mkdir(diskPath(dirname(path)), { recursive: true });
  await appendFile(diskPath(path), added);
}

/** Of the paths in the request's JSON list: `[bytes, modification time]`, or null for what is no file here. */
async function sendStats(
  folder: OpenFolder,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  // Opened so that a folder that is gone is not taken for one whose files are gone.
  await (await opendir(folder.path)).close();
  const paths = JSON.parse(await text(request)) as string[];
  const found = await Promise.all(
    paths.map(async (path) => {
      if (folder.only && !folder.only.includes(path)) return null;
      try {
        const file = pathIn(folder, path.split('/').map(requireName));
        if (folder.writable) await requireInside(folder.path, file);
        const stats = await stat(diskPath(file));
        return stats.isFile() ? [stats.size, modifiedMsOf(stats)] : null;
      } catch (error) {
        if (statusOf((error as NodeJS.ErrnoException).code ?? '') === 404) return null;
        throw error;
      }
    }),
  );
  response.writeHead(200, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' });
  response.end(JSON.stringify(found));
}

async function sendClaims(
  folder: OpenFolder,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  partsOf(folder);
  folder.claims ??= new PhotoClaims(folder.path);
  const states = await folder.claims.exchange(JSON.parse(await text(request)) as ClaimRequest);
  response.writeHead(200, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' });
  response.end(JSON.stringify(states));
}

/** Whole milliseconds, as browsers give them. */
function modifiedMsOf({ mtimeMs }: Stats): number {
  return Math.trunc(mtimeMs);
}

function send(response: ServerResponse, status: number, text = ''): void {
  response
    .writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store' })
    .end(text);
}
