import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { facenet } from './helpers/terminal.ts';

let home: string;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'facenet-test-'));
  await mkdir(join(home, 'empty/person'), { recursive: true });
  await writeFile(join(home, 'empty/person/notes.txt'), 'no photo');
  await mkdir(join(home, 'photos/person'), { recursive: true });
  await writeFile(join(home, 'photos/person/zero.jpg'), '');
  await writeFile(join(home, 'photos/person/text.jpg'), 'this is no photo');
  await writeFile(join(home, 'photos/person/cut.jpg'), Buffer.from('ffd8ffe000104a46494600010100', 'hex'));
  await writeFile(join(home, 'model.safetensors'), 'this is no model at all');
  await writeFile(join(home, 'fixture.json'), '{"something": "else"}');
});

afterAll(() => rm(home, { recursive: true, force: true }));

describe('bad input ends with one clear line and an exit code', () => {
  it.each([
    [
      ['align', 'photos', 'out', '--imagesize', '160'],
      2,
      /Unknown flag --imagesize\. Did you mean --image_size\?/,
    ],
    [['align', 'empty', 'out'], 1, /No photos were found in "empty" \(1 other file/],
    [['train', '--data_dir', 'photos'], 1, /contains only one person/],
    [['export', 'model.safetensors', 'out'], 1, /model\.safetensors is a text file, not a model/],
    [['conformance', 'fixture.json'], 1, /fixture\.json: .*is not a conformance fixture/],
  ])('%j', async (args, code, message) => {
    const result = await facenet(args, { home });
    expect(result.stderr).toMatch(message);
    expect(result.stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(result.code).toBe(code);
  });

  it('reports each unreadable photo, and continues', async () => {
    const result = await facenet(['align', 'photos', 'aligned', '--json'], { home });
    for (const name of ['zero', 'text', 'cut'])
      expect(result.stdout).toMatch(
        new RegExp(`Unable to align "person/${name}\\.jpg": person/${name}\\.jpg .+`),
      );
    expect(result.lines).toContain('Total number of images: 3');
    expect(result.lines).toContain('Number of successfully aligned images: 0');
    expect(result.json).toMatchObject({ total_images: 3, successfully_aligned: 0, cancelled: false });
    expect(result.code).toBe(0);
    expect((await readdir(join(home, 'aligned'))).sort()).toEqual([
      expect.stringMatching(/^alignment_\d{5}\.jsonl$/),
      expect.stringMatching(/^bounding_boxes_\d{5}\.txt$/),
    ]);
  });

  it('leaves no run and no browser profile behind', async () => {
    expect(await readdir(join(home, 'state/facenet-webgpu-trainer/runs'))).toEqual([]);
  });
});
