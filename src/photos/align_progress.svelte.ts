/** How far an alignment is. Its events come by the hundred a second on a fast machine; the page follows a few times a second. */
import type { AlignEvent, AlignFailure } from '../../workers/protocol/align/align.ts';

export interface FaceThumbnail {
  readonly path: string;
  readonly bitmap: ImageBitmap;
}

type EventOf<Kind extends AlignEvent['kind']> = Extract<AlignEvent, { kind: Kind }>;

/** What happened since the page was last brought up to date. */
export interface AlignNews {
  readonly aligned: readonly EventOf<'aligned'>[];
  readonly failures: readonly AlignFailure[];
  /** In their order. */
  readonly turns: readonly (EventOf<'started'> | EventOf<'paused'> | EventOf<'resumed'>)[];
}

const THUMBNAILS_KEPT = 60;
const FLUSH_INTERVAL_MS = 150;

export class AlignProgress {
  /** undefined until the first photo is aligned. */
  photos = $state.raw<EventOf<'progress'> | undefined>();
  /** Of the folders that are read before the first photo is aligned. */
  filesRead = $state(0);
  device = $state('');
  /** Photos that gave a face in this run, the faces they gave, and photos that were aligned before it. */
  alignedCount = $state(0);
  faceCount = $state(0);
  skippedCount = $state(0);
  /** The newest first. */
  thumbnails = $state.raw<readonly FaceThumbnail[]>([]);
  readonly #onNews: (news: AlignNews) => void;
  #pending: AlignEvent[] = [];
  #flushTimer: ReturnType<typeof setTimeout> | undefined;

  /** @param onNews is called when the page is brought up to date */
  constructor(onNews: (news: AlignNews) => void) {
    this.#onNews = onNews;
  }

  begin(): void {
    this.photos = undefined;
    this.filesRead = 0;
    this.alignedCount = 0;
    this.faceCount = 0;
    this.skippedCount = 0;
    this.thumbnails = [];
  }

  receive(event: AlignEvent): void {
    this.#pending.push(event);
    this.#flushTimer ??= setTimeout(() => this.flush(), FLUSH_INTERVAL_MS);
  }

  /** Brings the page up to date now. */
  flush(): void {
    clearTimeout(this.#flushTimer);
    this.#flushTimer = undefined;
    const events = this.#pending;
    this.#pending = [];
    const aligned: EventOf<'aligned'>[] = [];
    const failures: AlignFailure[] = [];
    const turns: AlignNews['turns'][number][] = [];
    for (const event of events)
      switch (event.kind) {
        case 'reading':
          this.filesRead = event.fileCount;
          break;
        case 'started':
          this.device = event.device;
          this.skippedCount = event.skipped;
          turns.push(event);
          break;
        case 'aligned':
          aligned.push(event);
          break;
        case 'failed':
          failures.push(event.failure);
          break;
        case 'paused':
        case 'resumed':
          turns.push(event);
          break;
        case 'progress':
          this.photos = event;
      }
    this.alignedCount += aligned.length;
    this.faceCount += aligned.reduce((sum, { outputPaths }) => sum + outputPaths.length, 0);
    this.#showThumbnails(aligned);
    this.#onNews({ aligned, failures, turns });
  }

  /** Only so many. */
  #showThumbnails(aligned: readonly EventOf<'aligned'>[]): void {
    const added = aligned.flatMap(({ path, outputPaths, thumbnail }) =>
      thumbnail ? [{ path: outputPaths[0] ?? path, bitmap: thumbnail }] : [],
    );
    if (added.length === 0) return;
    const all = [...added.toReversed(), ...this.thumbnails];
    for (const { bitmap } of all.slice(THUMBNAILS_KEPT)) bitmap.close();
    this.thumbnails = all.slice(0, THUMBNAILS_KEPT);
  }
}
