/** How the faces of a training set were cut out: this passes from the faces to the run, the model file and its card. */
import { describe, expect, it } from 'vitest';
import { encodePng } from '../../../workers/files/images/encode_png.ts';
import { MemoryDirectory } from '../../../workers/files/memory_directory.ts';
import { withRecord } from '../../../workers/files/photo_record.ts';
import { faceCropsOf } from '../../../workers/jobs/train/face_crops.ts';
import { decodeMetadata, encodeMetadata, type ModelMetadata } from '../../../workers/models/metadata.ts';
import { modelCard } from '../../../workers/models/model_card.ts';
import { DEFAULT_ALIGN_OPTIONS } from '../../../workers/protocol/align/align.ts';
import { settingsOf } from '../../../workers/files/photo_record.ts';
import { smallGraph } from '../formats/formats_reference.ts';

async function face(margin?: number): Promise<Uint8Array<ArrayBuffer>> {
  const png = await encodePng({ width: 2, height: 2, data: new Uint8Array(12) });
  if (margin === undefined) return png;
  return withRecord(png, {
    settings: settingsOf({ ...DEFAULT_ALIGN_OPTIONS, image_size: 182, margin }),
    photo: 'Ada/a.jpg',
    sizeBytes: 1,
    modifiedMs: 1,
    sha256: 'x',
    width: 9,
    height: 9,
    faces: [],
    outputs: [{ path: 'Ada/a.png', sizeBytes: 1, face: 0, box: [1, 2, 3, 4] }],
    isByHand: false,
  });
}

async function cropsOf(...margins: (number | undefined)[]): ReturnType<typeof faceCropsOf> {
  const directory = new MemoryDirectory('faces');
  for (const [index, margin] of margins.entries())
    await directory.write(`Ada/${index}.png`, await face(margin));
  const paths = [...directory.files.keys(), 'Ada/gone.png'];
  return faceCropsOf(paths.map((path) => ({ path, directory })));
}

const metadata: ModelMetadata = {
  model_def: 'squeezenet',
  embedding_size: 8,
  image_size: 160,
  use_fixed_image_standardization: true,
};
const cardOf = (face_crops: ModelMetadata['face_crops'], imageSize = 160): string =>
  modelCard(
    {
      ...{ name: 'm', graph: smallGraph(), parameters: new Map(), imageSize, notes: [] },
      ...{ useFixedImageStandardization: true, metadata: { ...metadata, face_crops } },
    },
    { format: 'safetensors' },
    'm.safetensors',
  );

describe('the crops of a training set', () => {
  it('are what its faces say, where they agree', async () => {
    expect(await cropsOf(44, undefined, 44)).toEqual({ image_size: 182, margin: 44 });
    expect(await cropsOf(44, 32)).toBeUndefined();
    expect(await cropsOf(undefined)).toBeUndefined();
  });

  it('are in the model’s metadata, and nothing impossible is taken from them', () => {
    const crops = { image_size: 182, margin: 44 };
    const texts = encodeMetadata({ ...metadata, face_crops: crops });
    expect(texts).toMatchObject({ align_image_size: '182', align_margin: '44' });
    const read = (changes: object): ModelMetadata =>
      decodeMetadata(new Map(Object.entries({ ...texts, ...changes })), 'a')!;
    expect(read({}).face_crops).toEqual(crops);
    for (const align_margin of ['-1', 'x', '1e9', '$(rm)'])
      expect(read({ align_margin }).face_crops).toBeUndefined();
    for (const align_image_size of ['0', '1.5', ''])
      expect(read({ align_image_size }).face_crops).toBeUndefined();
  });

  it('are in the model card, with the command that cuts out such faces', () => {
    const original = cardOf({ image_size: 182, margin: 44 });
    expect(original).toContain(
      'cropped with a margin of 44 and resized to 182 × 182 pixels, of which the network',
    );
    expect(original).toContain('--image_size 160 --margin 32');
    const other = cardOf({ image_size: 96, margin: 10 }, 96);
    expect(other).toContain('cropped with a margin of 10 and resized to 96 × 96 pixels. Crop faces');
    expect(other).toContain('--image_size 96 --margin 10');
    expect(cardOf(undefined)).toContain('is not stored in the model');
  });
});
