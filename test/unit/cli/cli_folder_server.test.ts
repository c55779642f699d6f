import fc from 'fast-check';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { createServer, request, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { diskPath, textOfBytes } from '../../../cli/system/disk_names.ts';
import { FolderServer, statusOf, type FolderFailure } from '../../../cli/browser/folder_server.ts';
import { markOf } from '../../../cli/system/process_owner.ts';
import {
  FileMissingError,
  FileUnreadableError,
  FolderMissingError,
  PermissionLostError,
} from '../../../workers/protocol/data/file_errors.ts';
import { HttpDirectory } from '../../../workers/files/http_directory.ts';

let server: Server;
let folders: FolderServer;
let origin: string;
let outside: string;
let folder: string;
const skipped: FolderFailure[] = [];

beforeAll(async () => {
  folders = new FolderServer((failure) => skipped.push(failure));
  server = createServer((incoming, response) => void folders.handle(incoming, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

beforeEach(async () => {
  outside = await mkdtemp(join(tmpdir(), 'facenet-test-'));
  folder = join(outside, 'dataset');
  await mkdir(folder);
  await writeFile(join(outside, 'secret.txt'), 'secret');
  return () => rm(outside, { recursive: true, force: true });
});

function openDirectory(access = {}): HttpDirectory {
  return new HttpDirectory('dataset', origin + folders.open(folder, access));
}

async function listed(directory: HttpDirectory): Promise<string[]> {
  const paths: string[] = [];
  for await (const { path } of directory.list()) paths.push(path);
  return paths.sort();
}

/** Sends the path unchanged, whereas fetch would normalise it. */
function rawStatus(method: string, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    request(origin, { method, path }, (response) => {
      response.resume();
      resolve(response.statusCode!);
    })
      .on('error', reject)
      .end(method === 'PUT' ? 'written' : undefined);
  });
}

describe('folder server', () => {
  it('reads, lists, writes and removes, whatever the names', async () => {
    const directory = openDirectory({ writable: true });
    const names = ['Ünï çöde/写真 1.png', 'a/b/c%2F?#&.txt', "it's/100%.jpg", 'top.txt'];
    for (const name of names) await directory.write(name, `content of ${name}`);
    expect(await listed(directory)).toEqual([...names].sort());
    for (const name of names) {
      expect(await directory.exists(name)).toBe(true);
      expect(await (await directory.read(name)).text()).toBe(`content of ${name}`);
      expect(await readFile(join(folder, name), 'utf8')).toBe(`content of ${name}`);
    }
    await directory.write('top.txt', new Uint8Array());
    expect((await directory.read('top.txt')).size).toBe(0);
    await directory.remove('top.txt');
    expect(await directory.exists('top.txt')).toBe(false);
    await expect(directory.read('top.txt')).rejects.toThrow(FileMissingError);
    await expect(directory.read('top.txt/below')).rejects.toThrow(FileMissingError);
  });

  it.skipIf(process.platform !== 'linux')('carries names that are not UTF-8, in and out', async () => {
    const onDisk = (...names: string[]): Buffer =>
      Buffer.concat(
        names.map((name, index) =>
          Buffer.from(index === 0 ? name : `/${name}`, index === 0 ? 'utf8' : 'latin1'),
        ),
      );
    const person = 'J\xfcrgen';
    await mkdir(onDisk(folder, person));
    await writeFile(onDisk(folder, person, '1 \xe9.jpg'), 'first');
    // Two names whose texts must differ, and a link.
    await writeFile(join(folder, 'J\\xFCrgen'), 'with a backslash');
    await mkdir(join(folder, 'Jürgen'));
    await writeFile(join(folder, 'Jürgen', '2.jpg'), 'second');
    await symlink(onDisk(folder, person), join(folder, 'link'));
    const directory = openDirectory();
    const photo = 'J\\xFCrgen/1 \\xE9.jpg';
    expect(await listed(directory)).toEqual(
      [photo, 'J\\x5CxFCrgen', 'Jürgen/2.jpg', 'link/1 \\xE9.jpg'].sort(),
    );
    expect(await (await directory.read(photo)).text()).toBe('first');
    expect(await (await directory.read('J\\x5CxFCrgen')).text()).toBe('with a backslash');
    expect(await directory.exists(photo)).toBe(true);
    expect((await directory.stats([photo]))[0]).toMatchObject({ sizeBytes: 5 });
    expect((await openDirectory({ only: ['J\\xFCrgen'] }).read('J\\xFCrgen')).size).toBe(16);

    // A file that is written under such a name gets its bytes, like the photo's folder.
    const out = join(outside, 'out');
    await mkdir(out);
    const output = new HttpDirectory('out', origin + folders.open(out, { writable: true }));
    await output.write('J\\xFCrgen/1 \\xE9.png', 'face');
    await output.append('J\\xFCrgen/notes.txt', 'note');
    expect(await readdir(out, { encoding: 'buffer' })).toEqual([Buffer.from(person, 'latin1')]);
    expect(await readFile(onDisk(out, person, '1 \xe9.png'), 'utf8')).toBe('face');
    expect(await listed(output)).toEqual(['J\\xFCrgen/1 \\xE9.png', 'J\\xFCrgen/notes.txt']);
    await output.remove('J\\xFCrgen/notes.txt');
    expect(await output.exists('J\\xFCrgen/notes.txt')).toBe(false);
    // No escape leads out of the folder.
    await expect(output.read('\\x2E\\x2E/dataset/link')).rejects.toThrow(FileMissingError);
  });

  it('gives every name one text that leads back to it', () => {
    const byte = fc.oneof(fc.integer({ min: 1, max: 255 }), fc.constantFrom(...Buffer.from('\\x5CFC')));
    const seen = new Map<string, string>();
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 12 }), (bytes) => {
        const name = Buffer.from(bytes);
        const text = textOfBytes(name);
        expect(Buffer.from(diskPath(text))).toEqual(name);
        expect(text).not.toContain('\uFFFD');
        expect(seen.get(text) ?? name.toString('hex')).toBe(name.toString('hex'));
        seen.set(text, name.toString('hex'));
      }),
      { numRuns: 5000 },
    );
  });

  it('appends text to a file, and returns sizes and times of many files at once', async () => {
    const directory = openDirectory({ writable: true });
    await directory.append('notes/a.txt', 'first\n');
    await directory.append('notes/a.txt', 'sécond\n');
    expect(await readFile(join(folder, 'notes/a.txt'), 'utf8')).toBe('first\nsécond\n');
    await utimes(join(folder, 'notes/a.txt'), 1000, 1234.567);
    expect(await directory.stats(['notes/a.txt', 'notes', 'missing/b.txt', 'notes/a.txt'])).toEqual([
      { sizeBytes: 14, modifiedMs: 1_234_567 },
      undefined,
      undefined,
      { sizeBytes: 14, modifiedMs: 1_234_567 },
    ]);
    expect(await directory.read('notes/a.txt')).toMatchObject({ lastModified: 1_234_567, size: 14 });
    await expect(directory.stats(['../secret.txt'])).rejects.toThrow(/400/);
    await expect(openDirectory().append('notes/a.txt', 'x')).rejects.toThrow(PermissionLostError);
    await rm(folder, { recursive: true });
    await expect(directory.stats(['notes/a.txt'])).rejects.toThrow(FolderMissingError);
  });

  it('gives back any bytes under any name', async () => {
    const directory = openDirectory({ writable: true });
    const name = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
      .filter((text) => !/[/\\:\0]/.test(text) && !text.startsWith('.'));
    await fc.assert(
      fc.asyncProperty(name, fc.uint8Array({ maxLength: 3000 }), async (path, bytes) => {
        await directory.write(path, new Uint8Array(bytes));
        expect(new Uint8Array(await (await directory.read(path)).arrayBuffer())).toEqual(
          new Uint8Array(bytes),
        );
        await directory.remove(path);
      }),
      { numRuns: 50 },
    );
  });

  it('leaves hidden files, broken links and circles of links out, and follows other links', async () => {
    await mkdir(join(folder, 'person'));
    await mkdir(join(folder, '.hidden'));
    await mkdir(join(outside, 'elsewhere'));
    await writeFile(join(folder, 'person', '1.jpg'), '1');
    await writeFile(join(folder, 'person', '.2.jpg.part'), '2');
    await writeFile(join(folder, '.hidden', '3.jpg'), '3');
    await writeFile(join(outside, 'elsewhere', '4.jpg'), '4');
    await symlink(join(outside, 'elsewhere'), join(folder, 'linked'));
    await symlink(folder, join(folder, 'person', 'circle'));
    await symlink(join(outside, 'nowhere'), join(folder, 'person', 'broken.jpg'));
    const directory = openDirectory();
    expect(await listed(directory)).toEqual(['linked/4.jpg', 'person/1.jpg', 'person/broken.jpg']);
    expect(await (await directory.read('linked/4.jpg')).text()).toBe('4');
    await expect(directory.read('person/broken.jpg')).rejects.toThrow(
      /person\/broken\.jpg cannot be read \(a symbolic link that leads nowhere\)/,
    );
  });

  it('streams a long list', async () => {
    const directory = openDirectory({ writable: true });
    const names = Array.from({ length: 3000 }, (_, index) => `${'long'.repeat(20)}_${index}.jpg`);
    for (const name of names) await writeFile(join(folder, name), '');
    expect(await listed(directory)).toEqual([...names].sort());
  });

  it('takes no writes into a folder that was opened for reading', async () => {
    await writeFile(join(folder, 'kept.txt'), 'kept');
    const directory = openDirectory();
    await expect(directory.write('new.txt', 'new')).rejects.toThrow(PermissionLostError);
    await expect(directory.remove('kept.txt')).rejects.toThrow(PermissionLostError);
    expect(await readdir(folder)).toEqual(['kept.txt']);
    expect(folders.lastFailure).toEqual({ code: 'EROFS', path: join(folder, 'kept.txt') });
  });

  it('shows only the files that were opened, where files were', async () => {
    await writeFile(join(folder, 'one.jpg'), '1');
    await writeFile(join(folder, 'two.jpg'), '2');
    const directory = openDirectory({ only: ['one.jpg'] });
    expect(await listed(directory)).toEqual(['one.jpg']);
    expect(await directory.exists('one.jpg')).toBe(true);
    expect(await directory.exists('two.jpg')).toBe(false);
  });

  it('cannot be led out of the folder', async () => {
    const address = folders.open(folder, { writable: true });
    const part = fc.constantFrom(
      '..',
      '%2e%2e',
      '%2E.',
      '.',
      '',
      '%2f',
      '..%2fsecret.txt',
      '%2e%2e%2fsecret.txt',
      '%00',
      '%',
    );
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('GET', 'HEAD', 'PUT', 'DELETE'),
        fc.array(fc.oneof(part, fc.constant('person')), { minLength: 1, maxLength: 4 }),
        async (method, parts) => {
          const status = await rawStatus(method, `${address}/${[...parts, 'secret.txt'].join('/')}`);
          expect(status).toBeGreaterThanOrEqual(
            parts.every((name) => name === 'person') && method === 'PUT' ? 200 : 400,
          );
          expect(await readFile(join(outside, 'secret.txt'), 'utf8')).toBe('secret');
          expect((await readdir(outside)).sort()).toEqual(['dataset', 'secret.txt']);
          await rm(join(folder, 'person'), { recursive: true, force: true });
        },
      ),
      { numRuns: 200 },
    );
  });

  it('answers no address that it has not given out', async () => {
    const address = folders.open(folder);
    const token = address.split('/')[2]!;
    expect(token.length).toBeGreaterThanOrEqual(32);
    await writeFile(join(folder, 'a.txt'), 'a');
    expect(await rawStatus('GET', `${address}/a.txt`)).toBe(200);
    for (const path of [
      address.replace(token, `${token}x`) + '/a.txt',
      address.replace(token, token.slice(1)) + '/a.txt',
      `/folders/${token}/9999/a.txt`,
      `/folders/${token}/-1/a.txt`,
      `/folders/${token}/__proto__/a.txt`,
      `/folders/${token}`,
      '/folders/',
    ])
      expect(await rawStatus('GET', path), path).toBe(404);
    expect(await rawStatus('PATCH', `${address}/a.txt`)).toBe(405);
    expect(await rawStatus('GET', address)).toBe(405);
  });

  it('keeps the old file complete when a write is interrupted, and leaves nothing behind', async () => {
    await writeFile(join(folder, 'model.bin'), 'old');
    const address = folders.open(folder, { writable: true });
    await new Promise<void>((resolve, reject) => {
      const socket = connect((server.address() as AddressInfo).port, '127.0.0.1', () => {
        socket.write(
          `PUT ${address}/model.bin HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n${'n'.repeat(1000)}`,
        );
        setTimeout(() => socket.destroy(), 200);
      });
      socket.on('error', reject);
      socket.on('close', () => resolve());
    });
    await expect.poll(() => readdir(folder)).toEqual(['model.bin']);
    expect(await readFile(join(folder, 'model.bin'), 'utf8')).toBe('old');
  });

  it('shows a reader the old file or the new one, never a part', async () => {
    const directory = openDirectory({ writable: true });
    const size = 300_000;
    await directory.write('checkpoint', 'a'.repeat(size));
    let isWriting = true;
    const writing = (async () => {
      for (const letter of 'bcdefgh') await directory.write('checkpoint', letter.repeat(size));
      isWriting = false;
    })();
    while (isWriting) {
      const text = await (await directory.read('checkpoint')).text();
      expect(text.length).toBe(size);
      expect(new Set(text).size).toBe(1);
    }
    await writing;
  });

  it('does not replace a folder by a file', async () => {
    await mkdir(join(folder, 'person'));
    const address = folders.open(folder, { writable: true });
    expect(await rawStatus('PUT', `${address}/person`)).toBe(409);
    expect(await readdir(folder)).toEqual(['person']);
  });

  it('distinguishes an unreadable file from a missing folder', async () => {
    const directory = openDirectory();
    await mkdir(join(folder, 'person'));
    for (const name of ['1.jpg', '2.jpg']) await writeFile(join(folder, 'person', name), name);
    await symlink('loop.jpg', join(folder, 'person', 'loop.jpg'));
    await expect(directory.read('person/loop.jpg')).rejects.toThrow(FileUnreadableError);
    await expect(directory.read('person/loop.jpg')).rejects.toThrow(
      /person\/loop\.jpg cannot be read \(ELOOP\)/,
    );
    await expect(directory.read('person/3.jpg')).rejects.toThrow(FileMissingError);
    await directory.requireThere();
    await rename(folder, `${folder} elsewhere`);
    await expect(directory.read('person/1.jpg')).rejects.toThrow(FolderMissingError);
    await expect(directory.requireThere()).rejects.toThrow(FolderMissingError);
    await expect(listed(directory)).rejects.toThrow(FolderMissingError);
    expect(folders.lastFailure).toEqual({ code: 'ENOENT', path: folder });
    // As after the removal of a drive.
    await mkdir(folder);
    await expect(directory.read('person/1.jpg')).rejects.toThrow(FolderMissingError);
    await expect(directory.requireThere()).rejects.toThrow(FolderMissingError);
  });

  // A superuser may read everything, so this test runs as another user.
  it.skipIf(process.platform === 'win32')('separates unreadable files from unreadable folders', async () => {
    const directory = openDirectory();
    await writeFile(join(folder, '1.jpg'), '1');
    await writeFile(join(folder, '2.jpg'), '2');
    await chmod(join(folder, '1.jpg'), 0);
    const isSuperuser = process.getuid!() === 0;
    const NOBODY = 65534;
    for (const path of isSuperuser ? [outside, folder, join(folder, '1.jpg')] : [])
      await chown(path, NOBODY, NOBODY);
    if (isSuperuser) process.seteuid!(NOBODY);
    try {
      await expect(directory.read('1.jpg')).rejects.toThrow(/1\.jpg cannot be read \(EACCES\)/);
      expect(await (await directory.read('2.jpg')).text()).toBe('2');
      await chmod(folder, 0);
      await expect(directory.read('2.jpg')).rejects.toThrow(PermissionLostError);
      await expect(directory.requireThere()).rejects.toThrow(PermissionLostError);
    } finally {
      if (isSuperuser) process.seteuid!(0);
      await chmod(folder, 0o755);
    }
  });

  it('does not make an output folder again that was deleted meanwhile', async () => {
    const directory = openDirectory({ writable: true });
    await directory.write('person/1.png', '1');
    await rm(folder, { recursive: true });
    await expect(directory.write('person/2.png', '2')).rejects.toThrow(FolderMissingError);
    expect(await readdir(outside)).toEqual(['secret.txt']);
    // Every output begins with an empty folder.
    await mkdir(folder);
    await directory.write('person/2.png', '2');
    expect(await listed(directory)).toEqual(['person/2.png']);
  });

  it('follows no link out of a folder that is written to', async () => {
    await mkdir(join(outside, 'elsewhere'));
    await writeFile(join(outside, 'elsewhere', '4.png'), 'theirs');
    await mkdir(join(folder, 'inside'));
    await symlink(join(outside, 'elsewhere'), join(folder, 'linked'));
    await symlink(join(folder, 'inside'), join(folder, 'near'));
    await symlink(join(outside, 'secret.txt'), join(folder, 'secret.png'));
    await symlink(join(outside, 'new.txt'), join(folder, 'new.png'));
    const directory = openDirectory({ writable: true });
    expect(await listed(directory)).toEqual([]);
    for (const path of ['linked/4.png', 'linked/new/5.png', 'secret.png']) {
      await expect(directory.write(path, 'mine'), path).rejects.toThrow(PermissionLostError);
      await expect(directory.read(path), path).rejects.toThrow(/folder "dataset"/);
      await expect(directory.remove(path), path).rejects.toThrow(/folder "dataset"/);
    }
    expect(folders.lastFailure).toMatchObject({ code: 'LINK_OUTSIDE' });
    // The link itself is replaced.
    await directory.write('new.png', 'mine');
    await directory.write('near/6.png', 'mine');
    expect(await readFile(join(outside, 'secret.txt'), 'utf8')).toBe('secret');
    expect((await readdir(outside)).sort()).toEqual(['dataset', 'elsewhere', 'secret.txt']);
    expect(await readdir(join(outside, 'elsewhere'))).toEqual(['4.png']);
    expect(await readFile(join(folder, 'inside', '6.png'), 'utf8')).toBe('mine');
  });

  it('gives a folder to one of many that claim its name', async () => {
    const directory = openDirectory({ writable: true });
    const others = openDirectory({ writable: true });
    const claims = await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        (index % 2 ? directory : others).claimFolder('20260101-120000'),
      ),
    );
    expect(claims.filter(Boolean)).toHaveLength(1);
    await directory.releaseFolder('20260101-120000');
    expect(await directory.claimFolder('20260101-120000')).toBe(true);
    await directory.write('20260101-120000/model', '1');
    await directory.releaseFolder('20260101-120000');
    expect(await listed(directory)).toEqual(['20260101-120000/model']);
    await expect(openDirectory().claimFolder('x')).rejects.toThrow(PermissionLostError);
  });

  it('removes what killed processes have left in an output folder, and nothing of those that live', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    const living = `.facenet-${markOf(process.pid)}-0.part`;
    const dead = `.facenet-${markOf(child.pid!)}-3.part`;
    const elsewhere = '.facenet-00000000-1-1-0.part';
    child.kill('SIGKILL');
    await once(child, 'exit');
    for (const name of [living, dead, elsewhere]) {
      await mkdir(join(folder, name));
      await writeFile(join(folder, name, 'x.part'), 'half');
    }
    await writeFile(join(folder, '.facenet-notes'), 'theirs');
    folders.open(folder);
    expect(await readdir(folder)).toHaveLength(4);
    folders.open(folder, { writable: true });
    expect((await readdir(folder)).sort()).toEqual([elsewhere, living, '.facenet-notes'].sort());
  });

  it('says in the status what the disk said', () => {
    expect(
      ['ENOSPC', 'EDQUOT', 'EACCES', 'EPERM', 'EROFS', 'ENOENT', 'ENOTDIR', 'EEXIST', 'EIO'].map(statusOf),
    ).toEqual([507, 507, 403, 403, 403, 404, 404, 409, 500]);
  });
});
