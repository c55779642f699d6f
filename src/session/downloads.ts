/** From a stream that a worker writes a zip file into, to a file on disk or a link. */
import { safeFileName } from '../../workers/protocol/escape_text.ts';
import { transfer } from 'comlink';
import type { AlignOutput } from '../../workers/protocol/align/align.ts';
import { features } from './features.ts';
import { libraryWorker } from './workers.ts';

export class NoStreamTransferError extends Error {
  override name = 'NoStreamTransferError';
  constructor() {
    super(
      'This browser cannot write zip files while a job runs. Choose the browser’s own storage or a folder instead.',
    );
  }
}

export class FileNotSavedError extends Error {
  override name = 'FileNotSavedError';
  constructor(fileName: string, cause: unknown) {
    const isFull = cause instanceof Error && cause.name === 'QuotaExceededError';
    const message = isFull
      ? `There is not enough space for ${fileName}. Free some space or choose another place, then start again.`
      : `${fileName} can no longer be written (${cause instanceof Error ? cause.message : String(cause)}). Choose another place and start again.`;
    super(`${message} No incomplete file is left.`, { cause });
  }
}

export interface ZipTarget {
  /** For a worker's request; the stream in it moves to the worker. */
  readonly output: AlignOutput;
  /** Called when the worker is done: the zip, or undefined when it went to a file the person chose. */
  readonly finish: () => Promise<Blob | undefined>;
  /** Called when the worker failed, even where it could not tell anyone: nothing is left of the zip. */
  readonly abandon: () => Promise<void>;
}

/** Keeps the zip for a download link. */
export function zipAsBlob(): ZipTarget {
  if (!features.streamTransfer) return zipByStorage();
  const { output, readable } = transferredStream();
  const abandoned = new AbortController();
  const finished = new Response(readable.pipeThrough(new TransformStream(), abandoned))
    .blob()
    .then((blob) => new Blob([blob], { type: 'application/zip' }));
  // A failure shows when the zip is asked for.
  finished.catch(() => undefined);
  return { output, finish: () => finished, abandon: async () => abandoned.abort() };
}

/**
 * For browsers that cannot move a stream to a worker: the files go into the private file system first, and are zipped
 * from there.
 */
function zipByStorage(): ZipTarget {
  const id = crypto.randomUUID();
  const exports = async (): Promise<FileSystemDirectoryHandle> =>
    (await navigator.storage.getDirectory()).getDirectoryHandle('exports');
  const remove = async (): Promise<void> => (await exports()).removeEntry(id, { recursive: true });
  const finish = async (): Promise<Blob> => {
    const { downloadZip } = await import('client-zip');
    try {
      return await downloadZip(filesBelow(await (await exports()).getDirectoryHandle(id), '')).blob();
    } finally {
      await remove();
    }
  };
  return {
    output: { kind: 'directory', directory: { kind: 'private', path: `exports/${id}` } },
    finish,
    // It may not have been made yet.
    abandon: () => remove().catch(() => undefined),
  };
}

async function* filesBelow(
  folder: FileSystemDirectoryHandle,
  prefix: string,
): AsyncGenerator<{ name: string; input: File }> {
  for await (const entry of folder.values()) {
    const name = prefix + entry.name;
    if (entry.kind === 'file') yield { name, input: await (entry as FileSystemFileHandle).getFile() };
    else yield* filesBelow(entry as FileSystemDirectoryHandle, `${name}/`);
  }
}

/** Streams the zip to a file where the browser can; needs a click. @throws AbortError, NoStreamTransferError */
export async function zipToFile(suggestedName: string): Promise<ZipTarget> {
  if (!features.saveFile) return zipAsBlob();
  const handle = await window.showSaveFilePicker({
    suggestedName,
    types: [{ description: 'Zip file', accept: { 'application/zip': ['.zip'] } }],
  });
  const { output, readable } = transferredStream();
  const abandoned = new AbortController();
  const finished = saveStream(readable, handle, abandoned.signal).then(() => undefined);
  finished.catch(() => undefined);
  const abandon = async (): Promise<void> => {
    abandoned.abort();
    await finished.catch(() => undefined);
    await removeIfEmpty(handle);
  };
  return { output, finish: () => finished, abandon };
}

/**
 * The file appears whole, or not at all: a browser writes beside it, and puts that in its place when it is closed.
 * @throws FileNotSavedError, and what the stream fails with
 */
async function saveStream(
  content: ReadableStream<Uint8Array<ArrayBuffer>>,
  handle: FileSystemFileHandle,
  signal?: AbortSignal,
): Promise<void> {
  let file: FileSystemWritableFileStream | undefined;
  const explained = async (work: Promise<unknown>): Promise<void> => {
    try {
      await work;
    } catch (error) {
      throw new FileNotSavedError(handle.name, error);
    }
  };
  try {
    await explained(handle.createWritable().then((opened) => (file = opened)));
    const output = new WritableStream<Uint8Array<ArrayBuffer>>({
      write: (chunk) => explained(file!.write(chunk)),
      close: () => explained(file!.close()),
    });
    await content.pipeTo(output, { signal });
  } catch (error) {
    await file?.abort(error).catch(() => undefined);
    // Whoever writes must not wait where nothing is read.
    if (!content.locked) await content.cancel(error).catch(() => undefined);
    throw error;
  }
}

/** Picking a new file makes an empty one. Not every browser can remove it (https://fs.spec.whatwg.org/). */
async function removeIfEmpty(handle: FileSystemFileHandle & { remove?(): Promise<void> }): Promise<void> {
  try {
    if ((await handle.getFile()).size === 0) await handle.remove?.();
  } catch (error) {
    console.warn(error);
  }
}

function transferredStream(): { output: AlignOutput; readable: ReadableStream<Uint8Array<ArrayBuffer>> } {
  if (!features.streamTransfer) throw new NoStreamTransferError();
  const { readable, writable } = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>();
  return { output: { kind: 'zip', stream: writable as WritableStream<Uint8Array> }, readable };
}

/** The request with its zip stream, if it has one, moved instead of copied. */
export function withMovedStream<Request extends { readonly output: AlignOutput }>(request: Request): Request {
  return request.output.kind === 'zip' ? transfer(request, [request.output.stream]) : request;
}

/** Hands over a run's log folder as a zip. @throws RunMissingError */
export async function saveRunFiles(runId: string): Promise<void> {
  const { downloadZip } = await import('client-zip');
  const files = await libraryWorker.call((api) => api.buildRunFiles(runId));
  const zip = downloadZip([...files].map(([name, input]) => ({ name, input })));
  saveBlob(await zip.blob(), `${runId}-logs.zip`);
}

/**
 * Hands over a checkpoint's model: straight into a file that the person chooses, where the browser can; needs a click.
 * @throws AbortError, RunMissingError, NoCheckpointError, FileNotSavedError
 */
export async function saveCheckpointFile(
  runId: string,
  step: number,
  useMovingAverages: boolean,
): Promise<void> {
  const suggestedName = `model-${runId}-${step}.safetensors`;
  const handle = features.saveFile
    ? await window.showSaveFilePicker({
        suggestedName,
        types: [{ description: 'Model', accept: { 'application/octet-stream': ['.safetensors'] } }],
      })
    : undefined;
  try {
    const { name, file } = await libraryWorker.call((api) =>
      api.checkpointFile(runId, step, useMovingAverages),
    );
    if (handle) await saveStream(file.stream(), handle);
    else saveBlob(file, name);
  } catch (error) {
    if (handle) await removeIfEmpty(handle);
    throw error;
  }
}

/** Offers a finished file as an ordinary download. */
export function saveBlob(blob: Blob, fileName: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement('a');
  link.href = url;
  link.download = safeFileName(fileName);
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
