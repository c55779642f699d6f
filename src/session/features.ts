/** What this browser offers, found out once; each missing feature has a way around it. */
import { privateStorage } from './private_storage.svelte.ts';

export interface Features {
  /** HTTPS or this machine: without it a browser offers almost none of the others. */
  readonly secureContext: boolean;
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
  /** The screen can be kept awake. */
  readonly wakeLock: boolean;
  /** Tabs can tell each other what they work on. */
  readonly webLocks: boolean;
  /** A copy of the program can be kept, which opens without a network. */
  readonly offlineCopy: boolean;
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

/** There, and not only as a name: a browser may keep the property for a feature that is switched off. */
function isOffered(owner: object, name: string): boolean {
  return (owner as Record<string, unknown>)[name] != null;
}

export const features: Features = {
  secureContext: window.isSecureContext,
  folderAccess: isOffered(window, 'showDirectoryPicker'),
  get privateStorage() {
    return privateStorage.isThere;
  },
  webGpu: isOffered(navigator, 'gpu'),
  streamTransfer: canTransferStreams(),
  saveFile: isOffered(window, 'showSaveFilePicker'),
  crossOriginIsolated: window.crossOriginIsolated,
  wakeLock: isOffered(navigator, 'wakeLock'),
  webLocks: isOffered(navigator, 'locks'),
  offlineCopy: isOffered(navigator, 'serviceWorker') && isOffered(window, 'caches'),
};
