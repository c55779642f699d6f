import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { CommandError } from '../../../cli/system/errors.ts';
import {
  findDataFile,
  kindOf,
  projectRoot,
  requireFile,
  requireFolder,
  resolvePath,
  splitPaths,
} from '../../../cli/system/paths.ts';
import { readScheduleFile } from '../../../cli/arguments/schedule_file.ts';
import { CASIA_SCHEDULE } from '../../../workers/protocol/train/schedule.ts';

const folder = mkdtempSync(join(tmpdir(), 'facenet-test-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('paths', () => {
  it('know the home folder', () => {
    expect(resolvePath('~')).toBe(homedir());
    expect(resolvePath('~/logs/facenet/')).toBe(join(homedir(), 'logs/facenet'));
    expect(resolvePath('a/~b')).toMatch(/a\/~b$/);
  });

  it('are separated by colons, but not after a drive letter', () => {
    expect(splitPaths('~/a:/b c')).toEqual([join(homedir(), 'a'), '/b c']);
    expect(splitPaths('/a:')).toEqual(['/a']);
    expect(splitPaths('')).toEqual([]);
    expect(splitPaths('C:\\x:D:/y')).toHaveLength(2);
  });

  it('that are not UTF-8 are refused with the reason, because they cannot be typed', () => {
    const bytes = Buffer.concat([Buffer.from(`${folder}/`), Buffer.from('J\xfcrgen', 'latin1')]);
    mkdirSync(bytes);
    expect(() => requireFolder(bytes.toString())).toThrow(/not valid UTF-8.*ln -s/);
    expect(() => requireFile(`${bytes.toString()}/1.png`)).toThrow(/not valid UTF-8.*ln -s/);
    expect(() => requireFolder(join(folder, 'missing'))).toThrow(/Check the path/);
  });

  it('are checked before anything is started', () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    expect(kindOf(join(file, 'below'))).toBeUndefined();
    expect(requireFolder(folder)).toBe(folder);
    expect(requireFile(file)).toEqual({ folder, name: 'file' });
    expect(() => requireFolder(file)).toThrow(`${file} is a file`);
    expect(() => requireFolder(join(folder, 'none'))).toThrow(CommandError);
    expect(() => requireFile(folder)).toThrow('is a folder');
  });

  it("find the original's data files in the project", () => {
    const name = 'data/learning_rate_schedule_classifier_casia.txt';
    expect(findDataFile(name)).toBe(resolve(projectRoot, name));
    expect(findDataFile('data/none.txt')).toBeUndefined();
    expect(readScheduleFile(name)).toBe(CASIA_SCHEDULE);
  });

  it('name the file and the line of a bad schedule', () => {
    const path = join(folder, 'schedule.txt');
    writeFileSync(path, '# rates\n0: 0.05\n60 0.005\n');
    expect(() => readScheduleFile(path)).toThrow(`${path}, line 3: `);
    expect(() => readScheduleFile(join(folder, 'none.txt'))).toThrow('There is no learning rate schedule');
  });
});
