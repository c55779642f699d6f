/** Commands that are ended from outside. `npm run try_endings` does the same at many random moments. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { projectRoot } from '../../cli/system/paths.ts';
import { CLAIMS_FOLDER } from '../../cli/system/photo_claims.ts';
import { ensureBuild } from '../../scripts/setup/ensure_build.mjs';
import { filesBelow, leftovers, loggedSteps, StartedCommand } from './helpers/endings.ts';
import { patternedPng } from './helpers/patterned_png.ts';
import { smallModelFile } from './helpers/small_model.ts';

const STEPS = 12;
let home: string;

beforeAll(async () => {
  await ensureBuild({ quiet: true });
  home = mkdtempSync(join(tmpdir(), 'facenet-test-'));
  for (let person = 0; person < 3; person++) {
    mkdirSync(join(home, `aligned/${person}`), { recursive: true });
    for (let photo = 0; photo < 4; photo++)
      writeFileSync(join(home, `aligned/${person}/${photo}.png`), patternedPng(40, person, photo));
  }
  const { buffer } = await smallModelFile(1);
  writeFileSync(join(home, 'model.safetensors'), buffer);
});

afterAll(() => rmSync(home, { recursive: true, force: true }));

function trainArgs(data: string): string[] {
  return [
    ...['train', '--data_dir', data, '--logs_base_dir', join(home, 'out/logs'), '--models_base_dir'],
    ...[join(home, 'out/models'), '--model_def', 'models.squeezenet', '--image_size', '32'],
    ...[
      '--embedding_size',
      '8',
      '--batch_size',
      '4',
      '--epoch_size',
      String(STEPS),
      '--max_nrof_epochs',
      '1',
    ],
    ...['--optimizer', 'ADAM', '--learning_rate', '0.01', '--use_fixed_image_standardization'],
    ...['--backend', 'wasm'],
  ];
}

async function waitFor(command: StartedCommand, text: string): Promise<void> {
  await expect
    .poll(() => command.output.includes(text) || command.hasEnded, { timeout: 120_000, interval: 50 })
    .toBe(true);
  expect(command.output).toContain(text);
}

/** The place of the socket of the browser with this profile. */
function linkIn(profile: string): string[] {
  try {
    return [readlinkSync(join(profile, 'SingletonSocket'))];
  } catch {
    return [];
  }
}

describe.skipIf(process.platform !== 'linux')('a command', () => {
  it.each(['closed terminal', 'SIGTERM'] as const)(
    'that trains stops with a checkpoint and leaves nothing: %s',
    async (ending) => {
      rmSync(join(home, 'out'), { recursive: true, force: true });
      const command = new StartedCommand(trainArgs(join(home, 'aligned')), home, ending);
      await waitFor(command, 'Epoch: [1][2/');
      // The signal goes only to npm.
      command.interrupt(false);
      expect(await leftovers(home)).toEqual([]);
      const [run] = readdirSync(join(home, 'out/models'));
      const [model] = readdirSync(join(home, 'out/models', run!));
      const step = Number(/-(\d+)\.safetensors$/.exec(model!)![1]);
      expect(step).toBeGreaterThanOrEqual(2);
      expect(step).toBeLessThan(STEPS);
      const resumed = new StartedCommand(['train', '--resume', run!], home);
      expect(await resumed.end(), resumed.output).toBe(0);
      expect(resumed.output).toContain(`Epoch: [1][${step + 1}/${STEPS}]`);
      expect(loggedSteps(join(home, 'out/logs', run!), 'loss/total')).toEqual(
        Array.from({ length: STEPS }, (_, index) => index + 1),
      );
    },
  );

  it('that is killed with -9 while it embeds leaves no process, no profile and no file', async () => {
    const out = join(home, 'out/embedded');
    const args = ['embed', join(home, 'model.safetensors'), join(home, 'aligned'), out, '--batch_size', '1'];
    const command = new StartedCommand(args, home, 'kill -9');
    await waitFor(command, 'Device: ');
    command.interrupt(true);
    expect(await leftovers(home)).toEqual([]);
    expect(filesBelow(out)).toEqual([]);
  });

  it('that is killed with -9 while it aligns gives its claims back', async () => {
    const [photos, out] = [join(home, 'photos'), join(home, 'out/faces')];
    for (let photo = 0; photo < 6; photo++) {
      mkdirSync(join(photos, `Person_${photo}`), { recursive: true });
      copyFileSync(
        join(projectRoot, 'test/fixtures/astronaut.png'),
        join(photos, `Person_${photo}`, 'astronaut.png'),
      );
    }
    const args = ['align', photos, out, '--image_size', '96', '--backend', 'wasm'];
    const command = new StartedCommand(args, home, 'kill -9');
    await expect
      .poll(() => existsSync(join(out, CLAIMS_FOLDER)) || command.hasEnded, { timeout: 120_000, interval: 5 })
      .toBe(true);
    expect(command.hasEnded).toBe(false);
    command.interrupt(true);
    expect(await leftovers(home)).toEqual([]);
  });

  it('that trains and ends while its browser starts leaves no file of the browser', async () => {
    const command = new StartedCommand(trainArgs(join(home, 'aligned')), home, 'SIGTERM');
    const started = (): string[] => readdirSync(join(home, 'tmp')).filter((name) => !name.startsWith('tsx-'));
    await expect.poll(() => started().length > 0, { timeout: 120_000, interval: 2 }).toBe(true);
    command.interrupt(false);
    expect(await leftovers(home)).toEqual([]);
  });

  it('that is killed with -9 leaves no socket of its browser where the path to TMPDIR is long', async () => {
    const far = mkdtempSync(join(tmpdir(), `facenet-test-${'long-'.repeat(14)}`));
    try {
      const args = ['embed', join(home, 'model.safetensors'), join(home, 'aligned'), join(far, 'out')];
      const command = new StartedCommand([...args, '--batch_size', '1'], far, 'kill -9');
      await waitFor(command, 'Device: ');
      const [socket] = readdirSync(join(far, 'tmp')).flatMap((name) =>
        linkIn(join(far, 'tmp', name, 'profile')),
      );
      expect(socket).toBeDefined();
      const socketFolder = dirname(socket!);
      expect(socketFolder.startsWith(far)).toBe(false);
      expect(existsSync(socketFolder)).toBe(true);
      command.interrupt(true);
      expect(await leftovers(far)).toEqual([]);
      await expect.poll(() => existsSync(socketFolder), { timeout: 60_000 }).toBe(false);
    } finally {
      rmSync(far, { recursive: true, force: true });
    }
  });

  it('that trains on a folder that vanishes says so, and ends with 1 and a checkpoint', async () => {
    const [data, elsewhere] = [join(home, 'vanishing'), join(home, 'elsewhere')];
    for (let person = 0; person < 3; person++) {
      mkdirSync(join(data, String(person)), { recursive: true });
      writeFileSync(join(data, `${person}/1.png`), patternedPng(40, person, 1));
    }
    const args = trainArgs(data).map((arg) => (arg === String(STEPS) ? '2' : arg));
    args[args.indexOf('--max_nrof_epochs') + 1] = '200';
    const command = new StartedCommand(args, home);
    await waitFor(command, 'Epoch: [1][1/');
    renameSync(data, elsewhere);
    expect(await command.end()).toBe(1);
    expect(command.output).toMatch(
      /facenet: The folder .*vanishing is missing or empty.*Put it back and run the command again/,
    );
    const run = /train --resume (\S+)/.exec(command.output)![1]!;
    const [model] = readdirSync(join(home, 'out/models', run));
    expect(model).toMatch(/-\d+\.safetensors$/);
    expect(await leftovers(home)).toEqual([]);
  });

  it('whose output nobody reads on says nothing about it, and one without a place for files says where', async () => {
    const facenet = `'${process.execPath}' '${join(projectRoot, 'scripts/facenet.mjs')}'`;
    const run = async (line: string, env = {}): Promise<string> => {
      const child = spawn('sh', ['-c', `${line} 2>&1`], { env: { ...process.env, ...env } });
      let output = '';
      child.stdout.on('data', (chunk) => (output += String(chunk)));
      await once(child, 'close');
      return output.trim();
    };
    expect((await run(`${facenet} train --help | head -1`)).split('\n')).toHaveLength(1);
    expect(await run(`${facenet} --help`, { TMPDIR: join(home, 'missing') })).toMatch(
      /^facenet: The folder for temporary files, .*missing, is not writable \(ENOENT\)\. Set the environment variable TMPDIR to another folder\.$/,
    );
  });
});
