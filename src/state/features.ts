/** What this browser offers, found out once; each missing feature has a way around it. */
export interface Features {
  /** Folders can be picked, read and written in place, and remembered. */
  readonly folderAccess: boolean;
  /** The origin's private file system. */
  readonly privateStorage: boolean;
  readonly webGpu: boolean;
  /** A zip can be streamed from a worker. */
  readonly streamTransfer: boolean;
  /** A zip can be streamed to a file while it is made. */
  readonly saveFile: boolean;
  /** Shared memory: the threaded WebAssembly backend. */
  readonly crossOriginIsolated: boolean;
}

function canTransferStreams(): boolean {
  try {
    const { writable } = new TransformStream();
    structuredClone(writable, { transfer: [writable] });
    return true;
  } catch {
    return false;
  }
}

export const features: Features = {
  folderAccess: 'showDirectoryPicker' in window,
  privateStorage: typeof navigator.storage?.getDirectory === 'function',
  webGpu: 'gpu' in navigator,
  streamTransfer: canTransferStreams(),
  saveFile: 'showSaveFilePicker' in window,
  crossOriginIsolated: window.crossOriginIsolated,
};
