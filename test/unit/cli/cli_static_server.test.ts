import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startStaticServer, type StaticServer } from '../../../cli/browser/static_server.ts';

let folder: string;
let server: StaticServer;
const asked: string[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'facenet-test-'));
  await writeFile(join(folder, 'index.html'), 'the page');
  await symlink('/etc/hostname', join(folder, 'linked.txt'));
  server = await startStaticServer(folder, async ({ url }) => {
    asked.push(url!);
    return false;
  });
});

afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

function statusFor(host: string | undefined, path = '/'): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = host === undefined ? {} : { Host: host };
    request({ host: '127.0.0.1', port: server.port, path, headers, setHost: false }, (response) => {
      response.resume();
      resolve(response.statusCode!);
    })
      .on('error', reject)
      .end();
  });
}

it('answers this machine’s own names only, so that no page elsewhere can make its name lead here', async () => {
  for (const host of ['localhost', 'facenet.localhost', '127.0.0.1', '[::1]', 'LOCALHOST', 'localhost:8000'])
    expect(await statusFor(host), host).toBe(200);
  asked.length = 0;
  for (const host of [
    'example.org',
    'localhost.example.org',
    'notlocalhost',
    '10.0.0.1:80',
    'evil.localhost.',
  ])
    expect(await statusFor(host), host).toBe(421);
  // The server of the folders is not called either.
  expect(asked).toEqual([]);
  expect(await statusFor(undefined)).toBe(400);
});

it('serves no file that a link leads to', async () => {
  expect(await statusFor('localhost', '/linked.txt')).toBe(404);
});
