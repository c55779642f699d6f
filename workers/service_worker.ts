/**
 * Keeps a copy of the program in this browser, so that the page opens without a network. A version is copied as a
 * whole, each file checked against its digest, or not at all. A new version waits until every tab is closed or the
 * person asks for it (src/session/program.svelte.ts). The copy of a version stays for as long as a tab that was opened
 * from it is there: a page loads some of its parts only when they are needed.
 *
 * Written for the lifecycle of https://www.w3.org/TR/service-workers/; the build puts PROGRAM into it.
 */
import {
  copiesOf,
  TAB_LOCK_PREFIX,
  type OtherVersionAnswer,
  type Program,
  type ServiceWorkerMessage,
} from './protocol/offline.ts';

declare const self: ServiceWorkerGlobalScope;
declare const PROGRAM: Program;
const program: Program = PROGRAM;

/** Files whose name changes with their content. */
const NAMED_BY_CONTENT = 'assets/';

const { scope } = self.registration;
const COPY_NAME = copiesOf(scope) + program.version;
const addresses = new Set(program.files.map(([path]) => new URL(path, scope).href));
const pageAddress = new URL('', scope).href;

self.addEventListener('install', (event) => event.waitUntil(copyProgram()));

self.addEventListener('activate', (event) =>
  // The tab that brought this worker here, on a first visit, needs the copy too once the network is gone.
  event.waitUntil(deleteUnusedCopies().then(() => self.clients.claim())),
);

self.addEventListener('message', (event) => {
  const message = event.data as ServiceWorkerMessage;
  if (message.kind === 'take-over') {
    event.waitUntil(self.skipWaiting());
    return;
  }
  if (!addresses.has(message.firstScript))
    event.source?.postMessage({ kind: 'other-version' } satisfies OtherVersionAnswer);
  event.waitUntil(deleteUnusedCopies());
});

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const address = addressOf(request);
  // Anything that is no part of the program is none of our business: the browser asks the host for it.
  if (request.method === 'GET' && (addresses.has(address) || isOldPart(address)))
    event.respondWith(answer(address, request));
});

async function copyProgram(): Promise<void> {
  const copy = await caches.open(COPY_NAME);
  try {
    await Promise.all(program.files.map(([path, integrity]) => copyFile(copy, path, integrity)));
  } catch (error) {
    await caches.delete(COPY_NAME);
    throw error;
  }
}

/** @throws TypeError when the host does not have it, or has other content (it may be half-way through an update) */
async function copyFile(copy: Cache, path: string, integrity: string): Promise<void> {
  const address = new URL(path, scope).href;
  const isNamedByContent = path.startsWith(NAMED_BY_CONTENT);
  const response =
    (isNamedByContent && (await caches.match(address))) ||
    (await fetch(address, { integrity, cache: isNamedByContent ? 'default' : 'no-cache' }));
  if (!response.ok) throw new TypeError(`${address} answered ${response.status}.`);
  await copy.put(address, withHeaders(response));
}

/** What is served from the copy has the headers that a strict host sends; those that its host did send come first. */
function withHeaders(response: Response): Response {
  const headers = new Headers(response.headers);
  // The body has been decoded, and a redirection of the host's is over.
  headers.delete('Content-Encoding');
  headers.delete('Content-Length');
  for (const [name, value] of Object.entries(program.headers))
    if (!headers.has(name)) headers.set(name, value);
  return new Response(response.body, { headers });
}

/** Without what only the page's script looks at. */
function addressOf({ url, mode }: Request): string {
  const address = new URL(url);
  if (mode !== 'navigate') return url;
  address.hash = '';
  address.search = '';
  if (address.href === `${pageAddress}index.html`) return pageAddress;
  return address.href;
}

/** A tab of an older version may ask for a part that this version does not have. */
function isOldPart(address: string): boolean {
  return address.startsWith(scope + NAMED_BY_CONTENT);
}

async function answer(address: string, request: Request): Promise<Response> {
  const copy = await caches.open(COPY_NAME);
  return (await copy.match(address)) ?? (await caches.match(address)) ?? fetch(request);
}

async function deleteUnusedCopies(): Promise<void> {
  // A copy that is not ours may be that of a version that is about to follow.
  if (self.registration.installing || self.registration.waiting) return;
  const openTabs = ((await navigator.locks?.query())?.held ?? [])
    .map(({ name = '' }) => name)
    .filter((name) => name.startsWith(TAB_LOCK_PREFIX))
    .map((name) => name.slice(TAB_LOCK_PREFIX.length));
  for (const name of await caches.keys()) {
    if (!name.startsWith(copiesOf(scope)) || name === COPY_NAME) continue;
    const copy = await caches.open(name);
    const uses = await Promise.all(openTabs.map((firstScript) => copy.match(firstScript)));
    if (uses.every((use) => use === undefined)) await caches.delete(name);
  }
}
