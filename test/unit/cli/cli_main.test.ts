import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { main } from '../../../cli/main.ts';

const folder = mkdtempSync(join(tmpdir(), 'facenet-test-'));
const photos = join(folder, 'photos');
const rates = join(folder, 'rates.txt');
const model = join(folder, 'model.safetensors');
const none = join(folder, 'none');

beforeAll(() => {
  mkdirSync(photos);
  writeFileSync(rates, '0: 0.05\n60 0.005\n');
  writeFileSync(model, '');
});

afterAll(() => rmSync(folder, { recursive: true }));

const printed: string[] = [];
const complained: string[] = [];

beforeEach(() => {
  printed.length = 0;
  complained.length = 0;
  const spies = [
    vi.spyOn(console, 'log').mockImplementation((text: string) => void printed.push(text)),
    vi.spyOn(console, 'error').mockImplementation((text: string) => void complained.push(text)),
  ];
  return () => spies.forEach((spy) => spy.mockRestore());
});

describe('what is wrong with a command line shows before a browser is started', () => {
  it.each([
    [['aling'], 2, 'There is no command "aling". Did you mean align?'],
    [['help', 'trian'], 2, 'There is no command "trian". Did you mean train?'],
    [
      ['align', photos, none, '--imagesize', '160'],
      2,
      'Unknown flag --imagesize. Did you mean --image_size?',
    ],
    [['align', photos], 2, '<out> is missing'],
    [['align', none, join(folder, 'out')], 1, `There is no folder ${none}. Check the path.`],
    [['align', photos, rates], 1, `${rates} is a file, but the output must be a folder.`],
    [['align', photos, none, '--thresholds', '0.6,0.7'], 2, '--thresholds takes three numbers'],
    [['detect', none, join(folder, 'out.jsonl')], 1, `There is no folder ${none}.`],
    [['train', '--learning_rate', '0.1'], 2, '--data_dir is missing'],
    [
      ['train', '--data_dir', photos, '--learning_rate', '-1'],
      2,
      'Name the file with --learning_rate_schedule_file',
    ],
    [
      ['train', '--data_dir', photos, '--learning_rate', '-1', '--learning_rate_schedule_file', rates],
      1,
      `${rates}, line 2: `,
    ],
    [['train', '--data_dir', `${photos}:${none}`], 1, `There is no folder ${none}.`],
    [['train', '--resume', '20200101-000000'], 1, 'There is no unfinished run 20200101-000000'],
    [['validate', none, photos], 1, `There is no model ${none}.`],
    [['validate', model, photos, '--lfw_pairs', none], 1, `There is no pairs file ${none}.`],
    // The original's order of the two.
    [['validate', photos, model, '--lfw_pairs', none], 1, `There is no pairs file ${none}.`],
    [['validate', photos, photos, '--lfw_pairs', none], 1, `There is no pairs file ${none}.`],
    [['align', none, none, '--gpu_memory_fraction', '0.25'], 1, `There is no folder ${none}.`],
    [['compare', none, none, '--gpu_memory_fraction', '0.25'], 1, `There is no model ${none}.`],
    [['embed', none, none, none, '--gpu_memory_fraction', '0.25'], 1, `There is no model ${none}.`],
    [['train', '--data_dir', none, '--gpu_memory_fraction', '0.25'], 1, `There is no folder ${none}.`],
    [
      ['export', model, none, '--format', 'docx'],
      2,
      '--format takes one of tfjs, onnx, safetensors, safetensors-pytorch',
    ],
    [['embed', model, none, none], 1, `There is no folder ${none}`],
    [['compare', model], 2, '<image_files> is missing'],
    [['compare', model, none], 1, `There is no file ${none}`],
    [['classify', 'PREDICT', photos, model, none], 2, '<mode> must be TRAIN or CLASSIFY, not "PREDICT"'],
    [['classify', 'CLASSIFY', photos, model, none], 1, `There is no file ${none}`],
    [['conformance', rates], 1, `${rates} is not a conformance fixture: it is not JSON`],
    [['detect', photos, join(folder, 'x.jsonl'), '--browser', none], 1, `There is no browser at ${none}.`],
  ])('%j', async (argv, code, message) => {
    vi.stubEnv('FACENET_STATE', join(folder, 'state'));
    expect(await main(argv)).toBe(code);
    expect(complained).toHaveLength(1);
    expect(complained[0]).toContain(message);
    expect(complained[0]).toMatch(/^facenet: [^\n]*$/);
    vi.unstubAllEnvs();
  });
});

describe('help', () => {
  const commands = [
    'align',
    'detect',
    'train',
    'validate',
    'export',
    'embed',
    'compare',
    'classify',
    'inspect',
    'conformance',
    'demo',
  ];

  it.each([['--help'], ['help'], ['-h']])('%s lists the commands', async (argument) => {
    expect(await main([argument])).toBe(0);
    for (const command of commands) expect(printed[0]).toMatch(new RegExp(`^  ${command} +[A-Z]`, 'm'));
  });

  it('inspect is understood by its former name', async () => {
    expect(await main(['look', '--help'])).toBe(0);
    expect(printed.join()).toContain('facenet -- inspect <model> <data_dir>');
    expect(printed.join()).toContain('Former name, which still works: look.');
  });

  it.each(commands)('%s --help shows its usage and flags', async (command) => {
    expect(await main([command, '--help'])).toBe(0);
    expect(printed[0]).toContain(`Usage: npm run --silent facenet -- ${command} `);
    expect(printed[0]).toMatch(/^ {2}--json +/m);
    for (const line of printed[0]!.split('\n')) expect(line.length).toBeLessThanOrEqual(160);
  });

  it('shows the limits and defaults of a training flag', async () => {
    await main(['train', '--help']);
    expect(printed[0]).toMatch(
      /--prelogits_norm_loss_factor <number>\s+Weight of the loss on the norm of the prelogits\.\s+\(default: 0\)/,
    );
  });
});
