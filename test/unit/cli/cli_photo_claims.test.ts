/** Sharing photos among processes that align into one folder. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { projectRoot } from '../../../cli/system/paths.ts';
import { CLAIMS_FOLDER, PhotoClaims } from '../../../cli/system/photo_claims.ts';
import { markOf, ownerMark } from '../../../cli/system/process_owner.ts';
import { MemoryDirectory } from '../../../workers/files/memory_directory.ts';
import { SharedWork } from '../../../workers/jobs/align/shared_work.ts';
import type { ClaimRequest, ClaimState } from '../../../workers/protocol/data/claims.ts';

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'facenet-test-'));
  return () => rm(root, { recursive: true, force: true });
});

/** Two living processes: this one, and the one that started it. */
const ME = ownerMark();
const OTHER = markOf(process.ppid);
/** No process has this id. */
const GONE = ME.replace(/-\d+-/, '-4194300-');

const request = (changes: Partial<ClaimRequest>): ClaimRequest => ({
  claim: [],
  release: [],
  failed: [],
  end: false,
  ...changes,
});

const claim = (claims: PhotoClaims, ...names: string[]): Promise<ClaimState[]> =>
  claims.exchange(request({ claim: names }));

describe('claims to photos', () => {
  it('are granted to one process, until it gives them back', async () => {
    const [mine, others] = [new PhotoClaims(root, ME), new PhotoClaims(root, OTHER)];
    expect(await claim(mine, 'A/a', 'A/b')).toEqual(['granted', 'granted']);
    expect(await claim(others, 'A/a', 'A/c')).toEqual(['held', 'granted']);
    expect(await mine.exchange(request({ release: ['A/a'], claim: ['A/c'] }))).toEqual(['held']);
    expect(await claim(others, 'A/a', 'A/b')).toEqual(['granted', 'held']);
    // A process cannot release the claims of another process.
    await mine.exchange(request({ release: ['A/a'] }));
    expect(await claim(mine, 'A/a')).toEqual(['held']);
  });

  it('that failed are not tried again by running processes, even if their process has ended', async () => {
    const [mine, others] = [new PhotoClaims(root, ME), new PhotoClaims(root, OTHER)];
    await claim(others, 'A/b');
    await claim(mine, 'A/a');
    await mine.exchange(request({ failed: ['A/a'], end: true }));
    expect(await claim(others, 'A/a')).toEqual(['failed']);
    await others.exchange(request({ end: true }));
    expect(await readdir(root)).toEqual([]);
    // The next alignment tries it again.
    expect(await claim(new PhotoClaims(root, ME), 'A/a')).toEqual(['granted']);
  });

  it('of a process that was killed are taken over, while another is at work and at the next start', async () => {
    const others = new PhotoClaims(root, OTHER);
    await claim(others, 'A/x');
    await claim(new PhotoClaims(root, GONE), 'A/a', 'A/b');
    expect(await claim(others, 'A/a')).toEqual(['granted']);
    await others.exchange(request({ end: true }));
    await claim(new PhotoClaims(root, GONE), 'A/b', 'A/c');
    const mine = new PhotoClaims(root, ME);
    expect(await claim(mine, 'A/a', 'A/b', 'A/c')).toEqual(['granted', 'granted', 'granted']);
    await mine.exchange(request({ end: true }));
    expect(await readdir(root)).toEqual([]);
  });

  it('are given back by the program that cleans up after a killed one, but not those of others', async () => {
    const [mine, others] = [new PhotoClaims(root, ME), new PhotoClaims(root, OTHER)];
    await claim(mine, 'A/a', 'A/b');
    await mine.exchange(request({ failed: ['A/b'] }));
    await claim(others, 'A/c');
    const folder = join(root, CLAIMS_FOLDER);
    const cleanUpAfter = async (owner: string): Promise<void> => {
      const child = spawn(process.execPath, [join(projectRoot, 'scripts/setup/clean_up_after.mjs')]);
      child.stdin.end(`${JSON.stringify({ claims: folder, owner })}\n`);
      await once(child, 'exit');
    };
    await cleanUpAfter(ME);
    expect((await readdir(folder)).filter((name) => name.endsWith('.owner'))).toEqual([`${OTHER}.owner`]);
    expect(await claim(others, 'A/a', 'A/b', 'A/c')).toEqual(['granted', 'failed', 'granted']);
    await cleanUpAfter(OTHER);
    // The failure of the first process is kept only while others are running.
    await cleanUpAfter(ME);
    expect(await readdir(root)).toEqual([]);
  });

  it('of another machine end after some minutes', async () => {
    const foreign = `00000000-1-1`;
    const [theirs, mine] = [new PhotoClaims(root, foreign), new PhotoClaims(root, ME)];
    await claim(theirs, 'A/a');
    expect(await claim(mine, 'A/a')).toEqual(['held']);
    for (const name of await readdir(join(root, CLAIMS_FOLDER)))
      await utimes(join(root, CLAIMS_FOLDER, name), new Date(0), Date.now() / 1000 - 1000);
    expect(await claim(mine, 'A/a')).toEqual(['granted']);
  });

  it('do not make a folder again that was deleted', async () => {
    const claims = new PhotoClaims(join(root, 'out'), ME);
    await expect(claim(claims, 'A/a')).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await readdir(root)).toEqual([]);
  });
});

it('eight workers together do each of 300 photos once, and leave nothing behind', async () => {
  await writeFile(join(root, 'face.png'), '');
  const names = Array.from({ length: 300 }, (_, index) => `person ${index % 7}/${index}`);
  const done: string[] = [];
  const finished = new Set<string>();
  const work = async (owner: string): Promise<void> => {
    const claims = new PhotoClaims(root, owner);
    let left = names.toSorted(() => Math.random() - 0.5);
    let release: string[] = [];
    while (left.length > 0) {
      const some = left.slice(0, 8);
      left = left.slice(8);
      const states = await claims.exchange(request({ claim: some, release }));
      const granted = some.filter((_, index) => states[index] === 'granted');
      for (const name of granted) {
        // Checked again, like in the job.
        if (finished.has(name)) continue;
        await new Promise((resolve) => setTimeout(resolve, 1));
        done.push(name);
        finished.add(name);
      }
      release = granted;
      left.push(...some.filter((name, index) => states[index] === 'held' && !finished.has(name)));
    }
    await claims.exchange(request({ release, end: true }));
  };
  const foreign = Array.from({ length: 6 }, (_, index) => `0000000${index}-1-1`);
  await Promise.all([ME, OTHER, ...foreign].map(work));
  expect(done.toSorted()).toEqual(names.toSorted());
  expect(await readdir(root)).toEqual(['face.png']);
});

it('work on a folder of one process is granted without asking', async () => {
  const work = new SharedWork(new MemoryDirectory());
  expect(work.isShared).toBe(false);
  expect(await work.claim(['a', 'b'])).toEqual(['granted', 'granted']);
  expect(await work.alone(async () => 3)).toBe(3);
  await work.end();
});
