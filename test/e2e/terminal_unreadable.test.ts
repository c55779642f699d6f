/**
 * In the terminal, an unreadable file is reported by name and the rest continues. A missing folder ends the command.
 */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { projectRoot } from '../../cli/system/paths.ts';
import { filesBelow, StartedCommand } from './helpers/endings.ts';
import { patternedPng } from './helpers/patterned_png.ts';
import { smallModelFile } from './helpers/small_model.ts';
import { facenet } from './helpers/terminal.ts';

const PHOTO = join(projectRoot, 'test/fixtures/astronaut.png');
const LEADS_NOWHERE = 'gone.png cannot be read (a symbolic link that leads nowhere)';
let home: string;

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'facenet-test-'));
  for (const person of ['Ann', 'Ben']) {
    mkdirSync(join(home, 'photos', person), { recursive: true });
    copyFileSync(PHOTO, join(home, `photos/${person}/good.png`));
    mkdirSync(join(home, 'aligned', person), { recursive: true });
    for (let photo = 0; photo < 4; photo++)
      writeFileSync(
        join(home, `aligned/${person}/${photo}.png`),
        patternedPng(96, person.charCodeAt(0), photo),
      );
  }
  for (const folder of ['photos', 'aligned']) symlinkSync('nowhere', join(home, folder, 'Ann/gone.png'));
  symlinkSync('loop.png', join(home, 'photos/Ann/loop.png'));
  mkdirSync(join(home, 'photos/Ann/folder.png'));
  writeFileSync(join(home, 'model.safetensors'), (await smallModelFile(1)).buffer);
});

afterAll(() => rmSync(home, { recursive: true, force: true }));

describe.skipIf(process.platform === 'win32')('files that cannot be read', () => {
  it('fail by their names in align', async () => {
    const { code, stdout, json } = await facenet(['align', 'photos', 'out', '--image_size', '96', '--json'], {
      home,
    });
    expect(json).toMatchObject({ total_images: 4, successfully_aligned: 2 });
    expect(stdout).toContain(LEADS_NOWHERE);
    expect(stdout).toContain('Ann/loop.png cannot be read (ELOOP)');
    expect(code).toBe(0);
  });

  it('fail by their names in detect', async () => {
    const { code, stdout, json } = await facenet(['detect', 'photos', 'faces.jsonl', '--json'], { home });
    expect(json).toMatchObject({ images: 4, faces: 2, failures: 2 });
    expect(stdout).toContain(LEADS_NOWHERE);
    expect(code).toBe(0);
  });

  it.each([
    ['embed', ['embed', 'model.safetensors', 'aligned', 'embedded']],
    ['inspect', ['inspect', 'model.safetensors', 'aligned']],
    ['classify', ['classify', 'TRAIN', 'aligned', 'model.safetensors', 'people.json']],
  ])('fail by their names in %s', async (_, args) => {
    const { code, stdout, json } = await facenet([...args, '--json'], { home });
    expect(json).toMatchObject({ images: 8, failures: [expect.stringContaining(LEADS_NOWHERE)] });
    expect(stdout).toContain(LEADS_NOWHERE);
    expect(code).toBe(0);
  });

  it('are replaced by others in train', async () => {
    const args = [
      ...['train', '--data_dir', 'aligned', '--logs_base_dir', 'logs', '--models_base_dir', 'models'],
      ...['--model_def', 'models.squeezenet', '--image_size', '32', '--embedding_size', '8', '--batch_size'],
      ...['8', '--epoch_size', '4', '--max_nrof_epochs', '1', '--learning_rate', '0.01', '--backend', 'wasm'],
    ];
    const { code, stdout } = await facenet(args, { home });
    expect(stdout).toContain(LEADS_NOWHERE);
    expect(stdout).toContain('Another photo is used instead.');
    expect(code).toBe(0);
  });
});

describe.skipIf(process.platform !== 'linux')('while faces are aligned', () => {
  it.each([
    ['the output folder', ''],
    ["one person's folder in it", 'P0'],
  ])('%s that is deleted is missed: exit code 1, and the count is true', async (_, deleted) => {
    const [input, out] = [join(home, 'many'), join(home, 'vanishing')];
    rmSync(out, { recursive: true, force: true });
    for (let person = 0; person < 2; person++) {
      mkdirSync(join(input, `P${person}`), { recursive: true });
      for (let photo = 0; photo < 8; photo++) copyFileSync(PHOTO, join(input, `P${person}/${photo}.png`));
    }
    const command = new StartedCommand(['align', input, out, '--image_size', '96'], home);
    await expect
      .poll(
        () =>
          existsSync(join(out, 'P0')) && readdirSync(join(out, 'P0')).some((name) => /^\d\.png$/.test(name)),
        {
          timeout: 120_000,
          interval: 5,
        },
      )
      .toBe(true);
    rmSync(join(out, deleted), { recursive: true, force: true });
    expect(await command.end(), command.output).toBe(1);
    expect(command.output).toMatch(/is missing or empty|deleted meanwhile/);
    const counted = /Number of successfully aligned images: (\d+)/.exec(command.output)?.[1];
    if (counted !== undefined)
      expect(filesBelow(out).filter((path) => path.endsWith('.png'))).toHaveLength(Number(counted));
  });
});
