/**
 * The built page, served from memory with the headers that a strict host sends: a build made while a job runs does not
 * pull the page from under it.
 */
import { readdir, readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { pageHeaders } from '../../scripts/build/page_headers.mjs';

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
  '.wasm': 'application/wasm',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
};

/** @returns true when the request was answered */
export type RequestHandler = (request: IncomingMessage, response: ServerResponse) => Promise<boolean>;

export interface StaticServer {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * @param folder its files are read once, now
 * @param first asked before the files are
 * @param port default: any that is free
 */
export async function startStaticServer(
  folder: string,
  first: RequestHandler,
  port = 0,
): Promise<StaticServer> {
  const files = await readFiles(folder);
  const server = createServer((request, response) => {
    if (!isLocalHost(request.headers.host)) {
      // A page elsewhere whose name has been made to lead to this machine (DNS rebinding) names its own host.
      response.writeHead(421, { Connection: 'close' }).end();
      return;
    }
    for (const [name, value] of Object.entries(pageHeaders)) response.setHeader(name, value);
    first(request, response)
      .then((answered) => {
        if (!answered) answer(files, request, response);
      })
      .catch((error: unknown) => {
        response.destroy(error instanceof Error ? error : undefined);
      });
  });
  // A single file of a checkpoint may take a slow disk longer than Node's default of five minutes.
  server.requestTimeout = 0;
  await listen(server, port);
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Names that browsers do not ask any name server for (https://www.rfc-editor.org/rfc/rfc6761#section-6.3). */
function isLocalHost(host: string | undefined): boolean {
  const name = host?.replace(/:\d+$/, '').toLowerCase();
  return name === 'localhost' || name === '127.0.0.1' || name === '[::1]' || !!name?.endsWith('.localhost');
}

async function readFiles(folder: string): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    files.set(path.slice(folder.length).replaceAll('\\', '/').replace(/^\/*/, '/'), await readFile(path));
  }
  return files;
}

/** On this machine only: nothing of it is reachable from the network. */
function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
}

function answer(
  files: ReadonlyMap<string, Buffer>,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const { pathname } = new URL(request.url ?? '/', 'http://localhost');
  const path = pathname === '/' ? '/index.html' : pathname;
  const content = files.get(path);
  if (!content || (request.method !== 'GET' && request.method !== 'HEAD')) {
    response.writeHead(content ? 405 : 404).end();
    return;
  }
  response.writeHead(200, {
    'Content-Type': CONTENT_TYPES[extname(path)] ?? 'application/octet-stream',
    'Content-Length': content.length,
    'Cache-Control': 'no-store',
  });
  response.end(request.method === 'HEAD' ? undefined : content);
}
