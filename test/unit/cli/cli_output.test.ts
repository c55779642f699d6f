import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import {
  formatBytes,
  formatDevice,
  formatDuration,
  formatEvaluation,
  formatProgress,
  formatReading,
  formatValidation,
} from '../../../cli/arguments/format.ts';
import { Interruption } from '../../../cli/interruption.ts';
import { Output } from '../../../cli/arguments/output.ts';
import type { DeviceInfo } from '../../../workers/protocol/device.ts';
import { formatStep } from '../../../workers/protocol/train/step_line.ts';

function terminal(isTTY: boolean, columns = 40) {
  const stream = Object.assign(new PassThrough(), { isTTY, columns });
  const clock = { now: 0 };
  return {
    output: new Output(stream, () => clock.now),
    clock,
    text: () => String(stream.read() ?? ''),
  };
}

describe('output', () => {
  it('rewrites one line on a terminal, cut to its width, and clears it before other lines', () => {
    const { output, text } = terminal(true, 11);
    output.progress('0123456789abc');
    output.progress('second');
    output.line('other');
    output.progress('last', true);
    expect(text()).toBe('\r\u001b[2K0123456789\r\u001b[2Ksecond\r\u001b[2Kother\n\r\u001b[2Klast\n');
  });

  it('prints progress now and then elsewhere, and the last one always', () => {
    const { output, clock, text } = terminal(false);
    for (let second = 0; second <= 25; second++) {
      clock.now = second * 1000;
      output.progress(`${second}`);
    }
    output.progress('end', true);
    expect(text()).toBe('10\n20\nend\n');
  });
});

describe('formats', () => {
  it('write durations', () => {
    expect([0.4, 59.6, 61, 3725, Infinity].map(formatDuration)).toEqual([
      '0 s',
      '1 min 00 s',
      '1 min 01 s',
      '1 h 02 min',
      '–',
    ]);
  });

  it('write sizes', () => {
    expect([999, 1000, 12_345, 999_600, 272_966_000].map(formatBytes)).toEqual([
      '999 B',
      '1.0 kB',
      '12 kB',
      '1.0 MB',
      '273 MB',
    ]);
  });

  it('shows the progress of reading folders', () => {
    expect(formatReading({ fileCount: 12_000, imageCount: 11_800, classCount: 480 })).toBe(
      'Reading the folders: 12000 files so far, 11800 images of 480 identities',
    );
  });

  it('write progress with rate and time left', () => {
    expect(formatProgress('Aligned', 'photos', { done: 12, total: 72, rate: 3.42, secondsLeft: 17.6 })).toBe(
      'Aligned 12 of 72 photos (16%), 3.4 photos/s, 18 s left',
    );
    expect(formatProgress('Aligned', 'photos', { done: 72, total: 72, rate: 12.4, secondsLeft: 0 })).toBe(
      'Aligned 72 of 72 photos (100%), 12 photos/s',
    );
    expect(formatProgress('Aligned', 'photos', { done: 0, total: 0, rate: NaN, secondsLeft: NaN })).toBe(
      'Aligned 0 of 0 photos (100%), – photos/s',
    );
  });

  it("write a step as the original's train_softmax", () => {
    const record = {
      step: 1003,
      epoch: 2,
      batch: 3,
      totalLoss: 9.87654,
      crossEntropy: 8.5,
      regularization: 1.3754,
      prelogitsNorm: 0.1,
      centerLoss: 0,
      accuracy: 0.12349,
      learningRate: 0.005,
      stepMs: 321.4,
      dataWaitMs: 1,
    };
    expect(formatStep(record, 1000)).toBe(
      'Epoch: [2][3/1000]\tTime 0.321\tLoss 9.877\tXent 8.500\tRegLoss 1.377\tAccuracy 0.123\tLr 0.00500\tCl 0.000',
    );
  });

  it("write a validation as the original's train_softmax", () => {
    const record = {
      step: 5000,
      epoch: 5,
      totalLoss: 3.25,
      crossEntropy: 2.5,
      accuracy: 0.625,
      durationMs: 1500,
    };
    expect(formatValidation(record)).toBe(
      'Validation Epoch: 5\tTime 1.500\tLoss 3.250\tXent 2.500\tAccuracy 0.625',
    );
  });

  it("write an evaluation as the original's validate_on_lfw", () => {
    const result = {
      accuracy: 0.98,
      accuracyStd: 0.01,
      val: 0.9,
      valStd: 0.02,
      far: 0.001,
      auc: 0.9987,
      eer: 0.0125,
    };
    expect(formatEvaluation(result as Parameters<typeof formatEvaluation>[0])).toEqual([
      'Accuracy: 0.98000+-0.01000',
      'Validation rate: 0.90000+-0.02000 @ FAR=0.00100',
      'Area Under Curve (AUC): 0.999',
      'Equal Error Rate (EER): 0.013',
    ]);
  });

  it('say what runs the job', () => {
    const gpu: DeviceInfo = {
      backend: 'webgpu',
      hasWebGpu: true,
      isSoftware: false,
      adapter: 'nvidia hopper',
      advice: '',
    };
    const software: DeviceInfo = {
      ...gpu,
      backend: 'wasm',
      isSoftware: true,
      adapter: 'swiftshader (software)',
    };
    expect(formatDevice(gpu)).toBe('Device: nvidia hopper, WebGPU');
    expect(formatDevice(gpu, 'wasm')).toBe('Device: nvidia hopper; using the CPU through WebAssembly');
    expect(formatDevice(software)).toContain('no GPU, only a simulated one (swiftshader (software))');
    expect(formatDevice(software, 'webgpu')).toBe('Device: swiftshader (software), WebGPU');
    expect(formatDevice({ ...software, hasWebGpu: false, adapter: '' })).toContain('no WebGPU');
  });
});

describe('Ctrl-C', () => {
  it('stops the job first, counts one key press once, and ends everything second', () => {
    const events: string[] = [];
    let now = 0;
    const interruption = new Interruption(
      () => events.push('announced'),
      (exitCode) => events.push(`ended ${exitCode}`),
      () => now,
    );
    interruption.onInterrupt(() => events.push('stopped'));
    interruption.signal('SIGINT');
    now = 100;
    interruption.signal('SIGINT');
    expect(events).toEqual(['announced', 'stopped']);
    expect(interruption.interrupted).toBe(true);
    expect(interruption.exitCode).toBe(130);
    now = 2000;
    interruption.signal('SIGTERM');
    expect(events).toEqual(['announced', 'stopped', 'ended 143']);
  });

  it('ends everything where no job runs', () => {
    const events: string[] = [];
    const interruption = new Interruption(
      () => events.push('announced'),
      (exitCode) => events.push(`ended ${exitCode}`),
    );
    interruption.signal('SIGINT');
    expect(events).toEqual(['ended 130']);
  });

  it('does not count as pressed twice if a terminal closes, a reader ends, or npm ends', () => {
    const events: string[] = [];
    let now = 0;
    const interruption = new Interruption(
      () => events.push('announced'),
      () => events.push('ended'),
      () => now,
    );
    interruption.onInterrupt(() => events.push('stopped'));
    interruption.signal('SIGPIPE');
    for (const cause of ['SIGHUP', 'SIGPIPE', 'SIGHUP'] as const) {
      now += 10_000;
      interruption.signal(cause);
    }
    expect(events).toEqual(['announced', 'stopped']);
    expect(interruption.exitCode).toBe(141);
  });
});
