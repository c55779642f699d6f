/** Exports that are run by the programs they are for, and damaged ones that must not pass. */
import '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { embeddersFrom } from '../../../workers/compute/executor.ts';
import { hashedParameters } from '../../../workers/compute/graph/hashed_tensors.ts';
import { TfjsExecutor } from '../../../workers/compute/tfjs/executor.ts';
import { MemoryDirectory } from '../../../workers/files/memory_directory.ts';
import {
  ExportMismatchError,
  ExportRefusedError,
  verifyExport,
} from '../../../workers/jobs/models/verify_export.ts';
import { modelFiles, type ExportSettings } from '../../../workers/models/export_files.ts';
import type { LoadedModel } from '../../../workers/models/loaded_model.ts';
import type { ExportVerification } from '../../../workers/protocol/models/export.ts';
import { describeVerification } from '../../../workers/protocol/models/verification_text.ts';
import { smallGraph } from '../formats/formats_reference.ts';

const graph = smallGraph(8);
const model: LoadedModel = {
  name: 'small',
  graph,
  parameters: hashedParameters(graph, 3),
  imageSize: 24,
  useFixedImageStandardization: false,
};
const createEmbedder = embeddersFrom(async (settings) => new TfjsExecutor(settings, 'test'));

/** @param damage changes the model's file in place */
async function verify(
  settings: ExportSettings,
  damage: (bytes: Uint8Array) => void = () => undefined,
): Promise<ExportVerification> {
  const directory = new MemoryDirectory('export');
  const files = modelFiles(model, settings);
  for (const { path, content } of files) await directory.write(path, content);
  const { path } = files.at(-1)!;
  const bytes = new Uint8Array(await (await directory.read(path)).arrayBuffer());
  damage(bytes);
  await directory.write(path, new Blob([bytes]));
  return verifyExport(model, settings, directory, path, createEmbedder, new AbortController().signal);
}

/** In an ONNX file, the last attribute `pads` of these values: AttributeProto's name (1), then four `ints` (8). */
function replacePads(before: readonly number[], after: readonly number[]): (bytes: Uint8Array) => void {
  const attribute = (pads: readonly number[]): Buffer =>
    Buffer.from([0x0a, 4, ...Buffer.from('pads'), ...pads.flatMap((value) => [0x40, value])]);
  return (bytes) => {
    const at = Buffer.from(bytes).lastIndexOf(attribute(before));
    expect(at).toBeGreaterThan(0);
    bytes.set(attribute(after), at);
  };
}
const SHIFTED = replacePads([1, 1, 1, 1], [0, 0, 2, 2]);
const ENLARGED = replacePads([0, 1, 0, 1], [1, 1, 0, 1]);

beforeAll(async () => {
  await tf.setBackend('wasm');
});

describe('an ONNX export', () => {
  it.each([
    {},
    { inputLayout: 'nchw' },
    { includeStandardization: true },
    { dtype: 'float16', inputLayout: 'nchw', includeStandardization: true },
  ] as const)('is run by onnxruntime-web: %o', async (settings) => {
    const verification = await verify({ format: 'onnx', ...settings });
    expect(verification.by).toBe('onnxruntime-web');
    expect(verification.maxAbsError).toBeLessThan('dtype' in settings ? 1e-2 : 1e-5);
    expect(describeVerification(verification, '0')).toMatch(/^onnxruntime-web ran the files: /);
  });

  it('with wrong pads is refused, whether they shift the picture or change its size', async () => {
    await expect(verify({ format: 'onnx' }, SHIFTED)).rejects.toThrow(ExportMismatchError);
    await expect(verify({ format: 'onnx' }, ENLARGED)).rejects.toThrow(ExportRefusedError);
  });

  it('that onnxruntime-web cannot read is refused', async () => {
    const unreadable = verify({ format: 'onnx' }, (bytes) => {
      const at = Buffer.from(bytes).indexOf('GlobalAveragePool');
      bytes.set(Buffer.from('GlobalAveragePoop'), at);
    });
    await expect(unreadable).rejects.toThrow(ExportRefusedError);
    await expect(unreadable).rejects.toThrow(
      /^onnxruntime-web cannot run the export of small \(.*GlobalAveragePoop/s,
    );
  });
});

describe('where onnxruntime-web does not start', () => {
  afterEach(() => vi.doUnmock('onnxruntime-web/wasm'));

  it('the weights are read again, and it is said that the file was not run', async () => {
    vi.doMock('onnxruntime-web/wasm', () => ({
      env: { wasm: {} },
      Tensor: vi.fn(),
      InferenceSession: {
        create: () => Promise.reject(new Error('no available backend found. ERR: [wasm] no SIMD')),
      },
    }));
    // Weights alone do not show wrong pads.
    const verification = await verify({ format: 'onnx' }, SHIFTED);
    expect(verification).toMatchObject({
      by: 'own reader',
      notRun: { program: 'onnxruntime-web', reason: expect.stringContaining('no SIMD') },
    });
    expect(describeVerification(verification, '0')).toMatch(
      /^onnxruntime-web could not run the files here \(.*no SIMD\)\. Only their weights were read again/,
    );
  });
});

describe('a TensorFlow.js export', () => {
  it('is run by TensorFlow.js, and refused when its paddings are wrong', async () => {
    const verification = await verify({ format: 'tfjs' });
    expect(verification.by).toBe('TensorFlow.js');
    expect(verification.maxAbsError).toBeLessThan(1e-5);
    const damaged = verify({ format: 'tfjs' }, (bytes) => {
      // "SAME" in base64, as wide as "VALID" without its end.
      const at = Buffer.from(bytes).lastIndexOf('U0FNRQ==');
      expect(at).toBeGreaterThan(0);
      bytes.set(Buffer.from('VkFMSUQ='), at);
    });
    await expect(damaged).rejects.toThrow();
  });
});

describe('a safetensors export', () => {
  it('is not run, but read again', () => {
    expect(describeVerification({ by: 'own reader', maxAbsError: 0 }, '0')).toBe(
      'The weights were read again and compared: the embeddings differ from the model’s by at most 0.',
    );
  });
});
