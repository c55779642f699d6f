/** From a stream that a worker writes a zip file into, to a file on disk or a link. */
import { transfer } from 'comlink';
import type { AlignOutput } from '../../workers/protocol.ts';
import { features } from './features.ts';

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
  /** When the zip is whole: its blob, or undefined when it went to a file the person chose. */
  readonly finished: Promise<Blob | undefined>;
}

/** Keeps the zip for a download link. @throws NoStreamTransferError */
export function zipAsBlob(): ZipTarget {
  const { output, readable } = transferredStream();
  const finished = new Response(readable)
    .blob()
    .then((blob) => new Blob([blob], { type: 'application/zip' }));
  finished.catch(() => undefined);
  return { output, finished };
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
  return { output, finished };
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

/** Offers a finished file as an ordinary download. */
export function saveBlob(blob: Blob, fileName: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement('a');
  link.href = url;
  link.download = fileName;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
