import { copyFile, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { projectRoot } from '../../cli/system/paths.ts';
import type { DetectionRecord } from '../../workers/protocol/align/align.ts';
import { facenet, type TerminalResult } from './helpers/terminal.ts';

/** With spaces and letters of other scripts, like real folders. */
let home: string;

beforeAll(async () => {
  home = join(await mkdtemp(join(tmpdir(), 'facenet-test-')), 'Müller 写真');
  await mkdir(join(home, 'photos/Eileen Collins'), { recursive: true });
  await copyFile(
    join(projectRoot, 'test/fixtures/astronaut.png'),
    join(home, 'photos/Eileen Collins/astronaut 1.png'),
  );
});

afterAll(() => rm(join(home, '..'), { recursive: true, force: true }));

function expectSuccess(result: TerminalResult): void {
  expect(result.stderr).toBe('');
  expect(result.code).toBe(0);
  expect(result.lines[0]).toMatch(/^Device: /);
}

describe('faces in real folders', () => {
  it('are detected', async () => {
    const result = await facenet(['detect', 'photos', 'found/faces.jsonl', '--json'], { home });
    expectSuccess(result);
    expect(result.json).toMatchObject({ images: 1, faces: 1, failures: 0, complete: true });
    expect(await readdir(join(home, 'found'))).toEqual(['faces.jsonl']);
    const lines = (await readFile(join(home, 'found/faces.jsonl'), 'utf8')).trimEnd().split('\n');
    expect(lines).toHaveLength(1);
    const record = JSON.parse(lines[0]!) as DetectionRecord;
    expect(record).toMatchObject({
      image: 'Eileen Collins/astronaut 1.png',
      width: 512,
      height: 512,
      chosen: 0,
    });
    const [x1, y1, x2, y2] = record.faces[0]!.box as [number, number, number, number];
    const [eyeX, eyeY] = [record.faces[0]!.landmarks_x[0]!, record.faces[0]!.landmarks_y[0]!];
    expect(x1 < eyeX && eyeX < x2 && y1 < eyeY && eyeY < y2).toBe(true);
  });

  it('are detected in a single photo', async () => {
    const result = await facenet(['detect', 'photos/Eileen Collins/astronaut 1.png', 'one.jsonl'], { home });
    expectSuccess(result);
    expect((JSON.parse(await readFile(join(home, 'one.jsonl'), 'utf8')) as DetectionRecord).image).toBe(
      'astronaut 1.png',
    );
  });

  it('are aligned with the guide’s command, once', async () => {
    const args = ['align', '~/photos/', '~/aligned', '--image_size', '182', '--margin', '44'];
    const flags = ['--random_order', '--gpu_memory_fraction', '0.25', '--json'];
    const first = await facenet([...args, ...flags], { home });
    expectSuccess(first);
    expect(first.lines).toContain('Total number of images: 1');
    expect(first.lines).toContain('Number of successfully aligned images: 1');
    const png = await readFile(join(home, 'aligned/Eileen Collins/astronaut 1.png'));
    expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([182, 182]);
    const boxes = (await readdir(join(home, 'aligned'))).find((name) => name.startsWith('bounding_boxes_'))!;
    expect(await readFile(join(home, 'aligned', boxes), 'utf8')).toMatch(
      /^Eileen Collins\/astronaut 1\.png \d+ \d+ \d+ \d+\n$/,
    );
    const second = await facenet([...args, '--json'], { home });
    expect(second.json).toMatchObject({ total_images: 1, successfully_aligned: 1, skipped_existing: 1 });
  });
});

describe('the whole job', () => {
  const modelFiles = async (folder: string): Promise<string[]> =>
    (await readdir(folder)).filter((name) => name.endsWith('.safetensors'));
  let modelDir: string;

  it('runs on sample faces: demo', async () => {
    const result = await facenet(
      [
        ...[
          'demo',
          'demo',
          '--people',
          '3',
          '--photos',
          '3',
          '--evaluation_people',
          '3',
          '--lfw_nrof_folds',
          '2',
        ],
        ...[
          '--max_nrof_epochs',
          '1',
          '--epoch_size',
          '2',
          '--batch_size',
          '4',
          '--image_size',
          '75',
          '--json',
        ],
      ],
      { home },
    );
    expectSuccess(result);
    expect(result.json).toMatchObject({ out: join(home, 'demo'), steps: 2 });
    expect(result.json['verified_max_abs_error']).toBeLessThan(1e-4);
    expect((await readdir(join(home, 'demo'))).sort()).toEqual([
      'aligned',
      'aligned-evaluation',
      'exported',
      'logs',
      'models',
    ]);
    expect(await readdir(join(home, 'demo/exported'))).toContain('model.json');
  });

  it('trains with the guide’s flags', async () => {
    const result = await facenet(
      [
        ...['train', '--logs_base_dir', '~/logs/facenet/', '--models_base_dir', '~/models/facenet/'],
        ...['--data_dir', `~/demo/aligned:${home}/demo/aligned-evaluation`, '--image_size', '80'],
        ...['--model_def', 'models.inception_resnet_v1', '--lfw_dir', '~/demo/aligned-evaluation/'],
        ...[
          '--optimizer',
          'ADAM',
          '--learning_rate',
          '-1',
          '--max_nrof_epochs',
          '2',
          '--keep_probability',
          '0.8',
        ],
        ...['--random_crop', '--random_flip', '--use_fixed_image_standardization'],
        ...['--learning_rate_schedule_file', 'data/learning_rate_schedule_classifier_casia.txt'],
        ...['--weight_decay', '5e-4', '--embedding_size', '64', '--lfw_distance_metric', '1'],
        ...['--lfw_use_flipped_images', '--lfw_subtract_mean', '--validation_set_split_ratio', '0.05'],
        ...['--validate_every_n_epochs', '5', '--prelogits_norm_loss_factor', '5e-4'],
        // Small data, few steps.
        ...['--epoch_size', '1', '--batch_size', '4', '--lfw_nrof_folds', '2', '--json'],
      ],
      { home },
    );
    expectSuccess(result);
    const steps = result.lines.filter((line) => line.startsWith('Epoch: '));
    expect(steps).toHaveLength(2);
    expect(steps[1]).toMatch(
      /^Epoch: \[2\]\[1\/1\]\tTime [\d.]+\tLoss [\d.]+\tXent [\d.]+\tRegLoss [\d.]+\tAccuracy [\d.]+\tLr 0\.05000\tCl [\d.]+$/,
    );
    expect(result.json).toMatchObject({ status: 'finished', step: 2, epoch: 2 });
    expect(result.json['lfw_accuracy']).toBeGreaterThanOrEqual(0);
    modelDir = result.json['model_dir'] as string;
    const logDir = result.json['log_dir'] as string;
    expect(modelDir).toMatch(/models\/facenet\/\d{8}-\d{6}$/);
    expect(await modelFiles(modelDir)).toHaveLength(2);
    expect(await readFile(join(logDir, 'arguments.txt'), 'utf8')).toContain('keep_probability: 0.8\n');
    expect((await readFile(join(logDir, 'lfw_result.txt'), 'utf8')).trimEnd().split('\n')).toHaveLength(2);
    // A finished run does not need a browser profile any more.
    expect(await readdir(join(home, 'state/facenet-webgpu-trainer/runs'))).toEqual([]);
  });

  it('validates the model', async () => {
    const args = [
      'validate',
      modelDir,
      'demo/aligned-evaluation',
      '--distance_metric',
      '1',
      '--use_flipped_images',
    ];
    const result = await facenet([...args, '--lfw_nrof_folds', '2', '--lfw_batch_size', '9', '--json'], {
      home,
    });
    expectSuccess(result);
    expect(result.stdout).toMatch(/^Accuracy: \d\.\d{5}\+-\d\.\d{5}$/m);
    expect(result.stdout).toMatch(/^Validation rate: \d\.\d{5}\+-\d\.\d{5} @ FAR=\d\.\d{5}$/m);
    expect(result.stdout).toMatch(/^Area Under Curve \(AUC\): \d\.\d{3}$/m);
    expect(result.stdout).toMatch(/^Equal Error Rate \(EER\): \d\.\d{3}$/m);
    expect(result.json).toMatchObject({ imageCount: 9, skippedPairs: 0 });
  });

  it('exports the model', async () => {
    for (const [format, verifiedBy] of [
      ['safetensors', 'own reader'],
      ['onnx', 'onnxruntime-web'],
    ] as const) {
      const out = `exported-${format}`;
      const result = await facenet(['export', modelDir, out, '--format', format, '--json'], { home });
      expectSuccess(result);
      expect(result.json).toMatchObject({ verified_by: verifiedBy });
      expect(result.json['verified_max_abs_error']).toBeLessThan(1e-4);
      expect(await readdir(join(home, out))).toHaveLength(2);
    }
  });

  it('stops on Ctrl-C with a checkpoint, and resumes', async () => {
    const args = ['train', '--data_dir', 'demo/aligned', '--image_size', '75', '--embedding_size', '16'];
    let interruptions = 0;
    const stopped = await facenet(
      [
        ...args,
        '--max_nrof_epochs',
        '1',
        '--epoch_size',
        '8',
        '--batch_size',
        '2',
        '--use_fixed_image_standardization',
        '--json',
      ],
      {
        home,
        onLine(line, child) {
          if (!line.startsWith('Epoch: [1][1/8]')) return;
          // Like npm, which passes on the signal that the terminal has already sent.
          child.kill('SIGINT');
          child.kill('SIGINT');
          interruptions++;
        },
      },
    );
    expect(interruptions).toBe(1);
    expect(stopped.code).toBe(130);
    expect(stopped.json).toMatchObject({ status: 'stopped' });
    const [step, run] = [stopped.json['step'] as number, stopped.json['run'] as string];
    expect(step).toBeLessThan(8);
    expect(stopped.stdout).toContain(`To resume the run: npm run --silent facenet -- train --resume ${run}`);
    const resumed = await facenet(['train', '--resume', run, '--json'], { home });
    expectSuccess(resumed);
    expect(resumed.json).toMatchObject({ run, status: 'finished', step: 8 });
    expect(resumed.lines.filter((line) => line.startsWith('Epoch: '))).toHaveLength(8 - step);
  });
});
