import 'fake-indexeddb/auto';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { FolderServer } from '../../../cli/browser/folder_server.ts';
import { makeNewFolder } from '../../../cli/commands/demo.ts';
import { withNewRun } from '../../../workers/jobs/train/new_run.ts';
import { runNames } from '../../../workers/protocol/train/run_names.ts';
import type { RunRecord } from '../../../workers/protocol/train/runs.ts';
import { deleteDatabase } from '../../../workers/storage/database.ts';
import { getRun } from '../../../workers/storage/runs.ts';
import { defaultTrainingOptions } from '../../../workers/protocol/train/options.ts';

const NOW = new Date(2026, 0, 2, 3, 4, 5);
const draft: Omit<RunRecord, 'id'> = {
  createdAt: NOW.getTime(),
  status: 'running',
  options: defaultTrainingOptions(),
  datasetName: 'photos',
  classNames: ['A', 'B'],
  imageCount: 2,
  data: [],
  step: 0,
  epoch: 0,
  device: '',
};

let folder: string;
let server: Server;
let bases: Pick<Parameters<typeof withNewRun>[1], 'logsBase' | 'modelsBase'>;

beforeEach(async () => {
  vi.stubGlobal('navigator', {});
  folder = await mkdtemp(join(tmpdir(), 'facenet-test-'));
  const folders = new FolderServer();
  server = createServer((request, response) => void folders.handle(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const open = async (name: string) => {
    await mkdir(join(folder, name));
    const url = origin + folders.open(join(folder, name), { writable: true });
    return { kind: 'http', name, url } as const;
  };
  bases = { logsBase: await open('logs'), modelsBase: await open('models') };
});

afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await deleteDatabase();
  await rm(folder, { recursive: true, force: true });
  vi.unstubAllGlobals();
});

it('that begin within one second, in one browser or in several, all have names of their own', async () => {
  const begin = (): Promise<string> => withNewRun(draft, bases, async ({ run }) => run.id, runNames(NOW));
  // Several tabs share the database.
  const ids = await Promise.all(Array.from({ length: 4 }, begin));
  // Another process has a separate database, but shares the folders.
  await deleteDatabase();
  ids.push(...(await Promise.all(Array.from({ length: 4 }, begin))));
  expect(new Set(ids).size).toBe(8);
  for (const id of ids) expect(id).toMatch(/^20260102-0304\d\d$/);
  for (const base of ['logs', 'models'])
    expect((await readdir(join(folder, base))).sort()).toEqual([...ids].sort());
});

it('takes no name of which a folder is there, and leaves no folder of a name that it did not take', async () => {
  await mkdir(join(folder, 'logs/20260102-030405'));
  await writeFile(join(folder, 'logs/20260102-030405/arguments.txt'), 'theirs');
  await mkdir(join(folder, 'models/20260102-030406'));
  const id = await withNewRun(draft, bases, async ({ run }) => run.id, runNames(NOW));
  expect(id).toBe('20260102-030407');
  expect((await readdir(join(folder, 'logs'))).sort()).toEqual(['20260102-030405', id]);
  expect((await readdir(join(folder, 'models'))).sort()).toEqual(['20260102-030406', id]);
});

it('leaves nothing when it is given up before it has begun', async () => {
  const failing = withNewRun(
    draft,
    bases,
    async ({ run, abandon }) => {
      expect(await getRun(run.id)).toEqual(run);
      await abandon();
      throw new Error('does not fit');
    },
    runNames(NOW),
  );
  await expect(failing).rejects.toThrow('does not fit');
  expect(await getRun('20260102-030405')).toBeUndefined();
  expect([...(await readdir(join(folder, 'logs'))), ...(await readdir(join(folder, 'models')))]).toEqual([]);
});

it('demos that begin within one second have folders of their own', () => {
  const paths = [1, 2, 3].map(() => makeNewFolder(folder, NOW));
  expect(paths).toEqual(['05', '06', '07'].map((second) => join(folder, `demo-20260102-0304${second}`)));
});
