import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CommandError } from '../../../cli/system/errors.ts';
import { requireApart } from '../../../cli/arguments/output_folder.ts';
import { main } from '../../../cli/main.ts';

let home: string;
const at = (path: string): string => join(home, path);

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'facenet-test-'));
  await mkdir(at('photos/Ann'), { recursive: true });
  await mkdir(at('photos aligned'));
  await symlink(at('photos'), at('link'));
  await symlink(at('photos/Ann'), at('Ann'));
});

afterAll(() => rm(home, { recursive: true, force: true }));

describe('an output in the input', () => {
  it.each([
    ['photos', 'photos'],
    ['photos', 'link'],
    ['link', 'photos'],
    ['photos', 'photos/aligned/new'],
    ['photos', 'link/aligned'],
    ['photos', 'Ann'],
    ['photos', 'photos/faces.jsonl'],
  ])('%s → %s is refused', (input, output) => {
    expect(() => requireApart(at(input), at(output))).toThrow(CommandError);
  });

  it.each([
    ['photos', 'photos aligned'],
    ['photos/Ann', 'photos'],
    ['photos', 'new/aligned'],
  ])('%s → %s is not one', (input, output) => {
    requireApart(at(input), at(output));
  });

  it.each([
    ['align', ['photos', 'link']],
    ['detect', ['photos', 'photos/Ann/faces.jsonl']],
  ])('is refused by %s before anything is made', async (command, paths) => {
    expect(await main([command, ...paths.map(at)])).toBe(1);
  });
});
