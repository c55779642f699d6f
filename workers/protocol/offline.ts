/** What the page and its service worker agree on. */

/** Of the caches that hold a copy of the program; the scope and the version follow. */
export const COPY_PREFIX = 'facenet';

/** A Web Lock that every running job holds shared: a new version takes over only where nobody holds it. */
export const JOB_LOCK = 'facenet job';

/** A Web Lock that every open tab holds; the address of the tab's first script follows. */
export const TAB_LOCK_PREFIX = 'facenet tab ';

export type ServiceWorkerMessage =
  /** The person wants the new version now. */
  | { readonly kind: 'take-over' }
  /** A tab has been opened, with this first script: copies that no tab needs can go. */
  | { readonly kind: 'tab-opened'; readonly firstScript: string };

/** What the service worker answers to a tab that is of another version than it is. */
export interface OtherVersionAnswer {
  readonly kind: 'other-version';
}

/** The built program, as its service worker is told at build time. */
export interface Program {
  /** A digest of all that follows. */
  readonly version: string;
  /** Paths relative to the page's folder, each with its SHA-256 as for subresource integrity; '' is the page itself. */
  readonly files: readonly (readonly [path: string, integrity: string])[];
  /** What a host should send with each file. */
  readonly headers: Readonly<Record<string, string>>;
}

/** The names of the copies of the program whose page is at `scope`; several may share an origin. */
export function copiesOf(scope: string): string {
  return `${COPY_PREFIX} ${scope} `;
}
