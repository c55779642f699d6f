/** Models in the browser's storage with values that no training produces are refused when they are loaded. */
import { afterEach, describe, expect, it } from 'vitest';
import { openWritableDirectory } from '../../../workers/files/open.ts';
import { initializeParameters } from '../../../workers/compute/graph/initialize.ts';
import { buildModel } from '../../../workers/compute/graph/models/index.ts';
import { loadModel } from '../../../workers/models/load_model.ts';
import { writeModelFile } from '../../../workers/models/model_file.ts';
import type { StoredModel } from '../../../workers/protocol/models/models.ts';
import { deleteDatabase } from '../../../workers/storage/database.ts';
import { deleteModel, modelFolder, putModel } from '../../../workers/storage/models.ts';

const ID = '00000000-0000-4000-8000-000000000001';
const WEIGHTS = 'squeezenet/fire2/expand/3x3/weights';
const VARIANCE = 'squeezenet/fire2/expand/3x3/BatchNorm/moving_variance';
const graph = buildModel('squeezenet', { embeddingSize: 8, classes: 0 });

async function store(tensor: string, value: number | undefined): Promise<StoredModel['reference']> {
  const parameters = initializeParameters(graph, 1);
  if (value !== undefined) parameters.get(tensor)!.data[2] = value;
  const content = writeModelFile(parameters, {
    model_def: 'squeezenet',
    embedding_size: 8,
    image_size: 96,
    use_fixed_image_standardization: true,
  });
  const directory = { kind: 'private', path: modelFolder(ID) } as const;
  await (await openWritableDirectory(directory)).write('small.safetensors', content);
  const stored: StoredModel = {
    id: ID,
    name: 'small',
    importedAt: 0,
    sizeBytes: content.size,
    model_def: 'squeezenet',
    embedding_size: 8,
    image_size: 96,
    use_fixed_image_standardization: false,
    standardization_basis: 'as chosen',
    origin: { file: 'a.h5', kind: 'Keras HDF5 file', program: 'keras-facenet', foldedGammas: 0, notes: [] },
    reference: { kind: 'directory', directory },
  };
  await putModel(stored);
  return stored.reference;
}

afterEach(async () => {
  await deleteModel(ID);
  await deleteDatabase();
});

describe('a model in the browser’s storage', () => {
  it('is loaded as it was taken, with what the person said of its images', async () => {
    const model = await loadModel(await store(WEIGHTS, undefined));
    expect(model).toMatchObject({ name: 'small', useFixedImageStandardization: false });
  });

  it.each([
    [WEIGHTS, NaN, /the value 3 of .*expand\/3x3\/weights is NaN/],
    [WEIGHTS, Infinity, /the value 3 of .*weights is Infinity/],
    [WEIGHTS, -Infinity, /the value 3 of .*weights is -Infinity/],
    [VARIANCE, -0.5, /the value 3 of .*moving_variance is -0\.5, but a variance/],
  ])('with %s = %d is refused by the name of the tensor', async (tensor, value, message) => {
    await expect(loadModel(await store(tensor, value))).rejects.toThrow(message);
  });
});
