/** From a stream that a worker writes a zip file into, to a file on disk or a link. */
import { transfer } from 'comlink';
import type { AlignOutput } from '../../workers/protocol/align.ts';
import { features } from './features.ts';
import { libraryWorker } from './workers.ts';

export class NoStreamTransferError extends Error {
  override name = 'NoStreamTransferError';
  constructor() {
    super(
      'This browser cannot make zip files while a job runs. Choose the browser’s own storage or a folder instead.',
    );
  }
}

export interface ZipTarget {
  /** For a worker's request; the stream in it moves to the worker. */
  readonly output: AlignOutput;
  /** Called when the worker is done: the zip, or undefined when it went to a file the person chose. */
  readonly finish: () => Promise<Blob | undefined>;
}

/** Keeps the zip for a download link. */
export function zipAsBlob(): ZipTarget {
  if (!features.streamTransfer) return zipByStorage();
  const { output, readable } = transferredStream();
  const finished = new Response(readable)
    .blob()
    .then((blob) => new Blob([blob], { type: 'application/zip' }));
  // A failure shows when the zip is asked for.
  finished.catch(() => undefined);
  return { output, finish: () => finished };
}

/**
 * For browsers that cannot move a stream to a worker: the files go into the private file system first, and are zipped
 * from there.
 */
function zipByStorage(): ZipTarget {
  const path = `exports/${crypto.randomUUID()}`;
  const finish = async (): Promise<Blob> => {
    const { downloadZip } = await import('client-zip');
    const exports = await (await navigator.storage.getDirectory()).getDirectoryHandle('exports');
    const id = path.split('/')[1]!;
    try {
      return await downloadZip(filesBelow(await exports.getDirectoryHandle(id), '')).blob();
    } finally {
      await exports.removeEntry(id, { recursive: true });
    }
  };
  return {
    output: { kind: 'directory', directory: { kind: 'private', path } },
    finish,
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
  const finished = readable.pipeTo(await handle.createWritable()).then(() => undefined);
  finished.catch(() => undefined);
  return { output, finish: () => finished };
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
 * @throws AbortError, RunMissingError, NoCheckpointError
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
  const { name, file } = await libraryWorker.call((api) =>
    api.checkpointFile(runId, step, useMovingAverages),
  );
  if (handle) await file.stream().pipeTo(await handle.createWritable());
  else saveBlob(file, name);
}

/** Offers a finished file as an ordinary download. */
export function saveBlob(blob: Blob, fileName: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement('a');
  link.href = url;
  link.download = fileName;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
