/** How a model's images are standardised: read from every source that says it, otherwise requested; kept in exports. */
import 'fake-indexeddb/auto';
import { describe, expect, it } from 'vitest';
import { chosenStandardization, MODEL_FLAGS } from '../../../cli/arguments/model_flags.ts';
import { parseArguments } from '../../../cli/arguments/flags.ts';
import { MemoryDirectory } from '../../../workers/files/memory_directory.ts';
import { safetensorsBlob } from '../../../workers/formats/safetensors.ts';
import { hashedParameters } from '../../../workers/compute/graph/hashed_tensors.ts';
import { buildModel } from '../../../workers/compute/graph/models/index.ts';
import type { NamedTensors } from '../../../workers/protocol/tensor.ts';
import { startFromPretrained } from '../../../workers/jobs/train/pretrained.ts';
import { modelFiles, pytorchTensors } from '../../../workers/models/export_files.ts';
import {
  describeModel,
  inspectModel,
  loadFromDirectory,
  loadModel,
} from '../../../workers/models/load_model.ts';
import { snippetOf } from '../../../workers/models/model_card.ts';
import { writeModelFile } from '../../../workers/models/model_file.ts';
import { kerasFacenetNames } from '../../../workers/models/names/keras_facenet.ts';
import {
  standardizationByName,
  standardizationOfNodes,
  StandardizationUnknownError,
} from '../../../workers/models/standardization.ts';
import type { StoredModel } from '../../../workers/protocol/models/models.ts';
import { putModel, setStandardization } from '../../../workers/storage/models.ts';
import type { Trainer } from '../../../workers/compute/executor.ts';
import { checkpoint, graphDef, kerasFile } from './import_writers.ts';

const squeezenet = buildModel('squeezenet', { embeddingSize: 8, classes: 0 });
const values = hashedParameters(squeezenet, 3);
const inception = buildModel('inception_resnet_v1', { embeddingSize: 4, classes: 0 });
const inceptionModel = (isFixed: boolean) => ({
  name: 'mine',
  graph: inception,
  parameters: hashedParameters(inception, 3),
  imageSize: 96,
  useFixedImageStandardization: isFixed,
});

function frozen(name: string, tensors: NamedTensors = values): { kind: 'file'; file: File } {
  return { kind: 'file', file: new File([graphDef(tensors)], name) };
}

describe('how images are standardised is known', () => {
  it('of the original’s published models by their names, in files and folders', async () => {
    for (const [name, isFixed] of [
      ['20170511-185253', false],
      ['20170512-110547', false],
      ['20180402-114759', true],
      ['20180408-102900', true],
    ] as const) {
      expect((await loadModel(frozen(`${name}.pb`))).useFixedImageStandardization).toBe(isFixed);
      const { index, data } = checkpoint(values);
      const folder = new MemoryDirectory(name, { 'model.ckpt-5.index': index });
      await folder.write('model.ckpt-5.data-00000-of-00001', Uint8Array.from(data));
      const loaded = await loadFromDirectory(folder);
      expect(loaded.useFixedImageStandardization).toBe(isFixed);
      expect(loaded.isStandardizationUnknown).toBeFalsy();
    }
  });

  it('of runs before 2018, when the original had no other', () => {
    expect(standardizationByName(['models/20170216-091149/model.ckpt.index'])).toMatchObject({
      value: 'per_image',
    });
    expect(standardizationByName(['20190301-120000'])).toBeUndefined();
    expect(standardizationByName(['120170511-185253', 'facenet.pb'])).toBeUndefined();
  });

  it('of keras-facenet’s files, each image by itself', async () => {
    const { tensors } = kerasFacenetNames(inception);
    const parameters = hashedParameters(inception, 3);
    const named = new Map([...parameters].map(([name, tensor]) => [tensors.get(name)!.name, tensor]));
    const file = new File([await kerasFile(named, true)], 'facenet_keras.h5');
    const loaded = await loadModel({ kind: 'file', file });
    expect(loaded.useFixedImageStandardization).toBe(false);
    expect((await describeModel({ kind: 'file', file })).standardization).toEqual({
      value: 'per_image',
      basis: 'like all models of keras-facenet',
    });
  });

  it('of facenet-pytorch’s files, the fixed one', async () => {
    const file = new File([safetensorsBlob(pytorchTensors(inceptionModel(true)))], 'vggface2.safetensors');
    expect((await loadModel({ kind: 'file', file })).useFixedImageStandardization).toBe(true);
  });

  it('from the nodes of a graph that reads its images itself', async () => {
    const scalar = (value: number) => ({ shape: [], data: Float32Array.of(value) });
    const perImage = new Map(values);
    perImage.set('batch_join/per_image_standardization/Const', { shape: [3], data: new Float32Array(3) });
    expect((await loadModel(frozen('a.pb', perImage))).useFixedImageStandardization).toBe(false);
    const fixed = new Map(values);
    fixed.set('sub/y', scalar(127.5));
    expect((await loadModel(frozen('a.pb', fixed))).useFixedImageStandardization).toBe(true);
    expect(
      standardizationOfNodes(['cond/per_image_standardization/Const', 'sub/y'], [127.5]),
    ).toBeUndefined();
  });
});

describe('without any information', () => {
  const nameless = [
    frozen('facenet.pb'),
    { kind: 'file', file: new File([safetensorsBlob(values)], 'converted.safetensors') },
    {
      kind: 'file',
      file: new File(
        [
          safetensorsBlob(values, {
            format: 'facenet-webgpu-trainer',
            model_def: 'models.squeezenet',
            embedding_size: '8',
            image_size: '96',
          }),
        ],
        'without.safetensors',
      ),
    },
  ] as const;

  it.each(nameless)('the model is not used, and the message names the flag (%#)', async (reference) => {
    await expect(loadModel(reference)).rejects.toThrow(StandardizationUnknownError);
    await expect(describeModel(reference)).rejects.toThrow(
      /--image_standardization fixed or --image_standardization per_image.*2018.*2017/,
    );
    // The page shows the content, and asks.
    expect((await inspectModel(reference)).standardization).toBeUndefined();
  });

  it.each(nameless)('it is what the person says (%#)', async (reference) => {
    for (const standardization of ['fixed', 'per_image'] as const) {
      const loaded = await loadModel({ ...reference, standardization });
      expect(loaded.useFixedImageStandardization).toBe(standardization === 'fixed');
      expect((await describeModel({ ...reference, standardization })).standardization.value).toBe(
        standardization,
      );
    }
  });

  it('a training may start from the values all the same, and says where they fit badly', async () => {
    const executor = (isFixed: boolean): Trainer =>
      ({
        settings: { useFixedImageStandardization: isFixed },
        writeParameters: async () => undefined,
      }) as unknown as Trainer;
    const start = (isFixed: boolean, reference: Parameters<typeof startFromPretrained>[3]) =>
      startFromPretrained(executor(isFixed), squeezenet, [], reference);
    expect(await start(true, nameless[0])).toMatch(/parameters reused\.$/);
    expect(await start(true, frozen('20180402-114759.pb'))).toMatch(/parameters reused\.$/);
    expect(await start(true, frozen('20170511-185253.pb'))).toMatch(
      /another image standardisation \(per image.*Set use_fixed_image_standardization to False/,
    );
  });
});

describe('what is said of a model', () => {
  it('wins over what the model says', async () => {
    const loaded = await loadModel({ ...frozen('20180402-114759.pb'), standardization: 'per_image' });
    expect(loaded.useFixedImageStandardization).toBe(false);
    expect(loaded.standardizationBasis).toBe('as chosen');
  });

  it('is a flag of either name in the terminal, with both values', () => {
    const parse = (...argv: string[]) => chosenStandardization(parseArguments([], MODEL_FLAGS, argv));
    expect(parse()).toBeUndefined();
    expect(parse('--image_standardization', 'per_image')).toBe('per_image');
    expect(parse('--image_standardization=fixed')).toBe('fixed');
    expect(parse('--use_fixed_image_standardization')).toBe('fixed');
    expect(parse('--use_fixed_image_standardization', 'False')).toBe('per_image');
    expect(() => parse('--use_fixed_image_standardization', '--image_standardization', 'per_image')).toThrow(
      /contradict/,
    );
  });

  it('is kept with a stored model, also one that an earlier version took without knowing', async () => {
    const stored: StoredModel = {
      id: 'one',
      name: 'facenet',
      importedAt: 0,
      sizeBytes: 1,
      model_def: 'squeezenet',
      embedding_size: 8,
      image_size: 96,
      use_fixed_image_standardization: true,
      origin: { file: 'facenet.pb', kind: '', program: 'the original', foldedGammas: 0, notes: [] },
      reference: { kind: 'directory', directory: { kind: 'private', path: 'models/one' } },
    };
    await putModel(stored);
    expect(await setStandardization('one', 'per_image')).toBe(true);
    expect(await setStandardization('gone', 'fixed')).toBe(false);
  });
});

describe('exports carry it:', () => {
  it.each([true, false])('files, card and snippets (fixed: %s)', async (isFixed) => {
    for (const format of ['tfjs', 'onnx', 'safetensors', 'safetensors-pytorch'] as const) {
      const model =
        format === 'safetensors-pytorch'
          ? inceptionModel(isFixed)
          : {
              name: 'small',
              graph: squeezenet,
              parameters: values,
              imageSize: 96,
              useFixedImageStandardization: isFixed,
            };
      const files = modelFiles(model, { format });
      const folder = new MemoryDirectory('export');
      for (const { path, content } of files) await folder.write(path, content);
      const loaded = await loadFromDirectory(folder);
      expect([loaded.useFixedImageStandardization, loaded.isStandardizationUnknown]).toEqual([
        isFixed,
        undefined,
      ]);
      expect(loaded.imageSize).toBe(96);
      if (format === 'safetensors') continue;
      const { code } = snippetOf(model, { format }, files.at(-1)!.path);
      expect(code).toMatch(isFixed ? /127\.5/ : /mean/);
      expect(code).not.toMatch(isFixed ? /mean/ : /127\.5/);
    }
  });

  it('what the metadata says must be true or false', async () => {
    const file = (value: string): File =>
      new File(
        [
          safetensorsBlob(values, {
            format: 'facenet-webgpu-trainer',
            model_def: 'models.squeezenet',
            embedding_size: '8',
            image_size: '96',
            use_fixed_image_standardization: value,
          }),
        ],
        'a.safetensors',
      );
    await expect(loadModel({ kind: 'file', file: file('maybe') })).rejects.toThrow(
      /use_fixed_image_standardization = "maybe"/,
    );
    expect((await loadModel({ kind: 'file', file: file('false') })).useFixedImageStandardization).toBe(false);
    const own = writeModelFile(values, {
      model_def: 'squeezenet',
      embedding_size: 8,
      image_size: 96,
      use_fixed_image_standardization: false,
    });
    expect(
      (await loadModel({ kind: 'file', file: new File([own], 'own.safetensors') }))
        .useFixedImageStandardization,
    ).toBe(false);
  });
});
