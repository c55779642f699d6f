/** Decisions of a person about single photos, and their effect on the next alignment. Also output to a zip file. */
import { beforeEach, describe, expect, it } from 'vitest';
import { decodeImage } from '../../../workers/files/images/decode.ts';
import { openWritableDirectory } from '../../../workers/files/open.ts';
import { ZipFile } from '../../../workers/formats/zip_reader.ts';
import { align } from '../../../workers/jobs/align/align_job.ts';
import { setAside, takeBack, takeFace } from '../../../workers/jobs/align/face_decisions.ts';
import { JobControl } from '../../../workers/protocol/job_control.ts';
import { SetAsideListDamagedError } from '../../../workers/jobs/align/set_aside_photos.ts';
import {
  DEFAULT_ALIGN_OPTIONS,
  type AlignEvent,
  type AlignOutput,
  type AlignSummary,
} from '../../../workers/protocol/align/align.ts';
import type { DirectoryReference } from '../../../workers/protocol/data/dataset.ts';
import { drawSampleFace } from '../../../workers/jobs/sample_faces/draw_face.ts';
import { samplePerson } from '../../../workers/jobs/sample_faces/person.ts';
import { samplePhoto } from '../../../workers/jobs/sample_faces/photo.ts';

const OUTPUT: DirectoryReference = { kind: 'private', path: 'test-align-decisions' };
const jpeg = { type: 'image/jpeg', quality: 0.95 };

const draw = (person: number): OffscreenCanvas =>
  drawSampleFace(samplePerson(1, person), samplePhoto(1, person, 0));

async function twoFaces(): Promise<Blob> {
  const canvas = new OffscreenCanvas(500, 250);
  const context = canvas.getContext('2d')!;
  context.drawImage(draw(1), 0, 0);
  context.drawImage(draw(2), 250, 0);
  return canvas.convertToBlob(jpeg);
}

async function folder(): Promise<DirectoryReference> {
  const single = await draw(3).convertToBlob(jpeg);
  const files = {
    'Ann/both.jpg': await twoFaces(),
    'Ann/single.jpg': single,
    'Bo/the same "photo".jpg': single,
  };
  return {
    kind: 'files',
    name: 'photos',
    files: Object.entries(files).map(([path, blob]) => ({ path, file: new File([blob], path) })),
  };
}

async function run(
  input: DirectoryReference,
  output: AlignOutput = { kind: 'directory', directory: OUTPUT },
): Promise<AlignSummary & { aligned: Extract<AlignEvent, { kind: 'aligned' }>[] }> {
  const aligned: Extract<AlignEvent, { kind: 'aligned' }>[] = [];
  const summary = await align(
    { input: [input], output, options: DEFAULT_ALIGN_OPTIONS, backend: 'wasm' },
    (event) => event.kind === 'aligned' && aligned.push(event),
    new JobControl(),
  );
  return { ...summary, aligned };
}

async function readOutput(path: string): Promise<Blob | undefined> {
  const output = await openWritableDirectory(OUTPUT);
  return (await output.exists(path)) ? output.read(path) : undefined;
}

async function boundingBoxes(): Promise<string[]> {
  const output = await openWritableDirectory(OUTPUT);
  const lines: string[] = [];
  for await (const { path } of output.list())
    if (path.startsWith('bounding_boxes_'))
      lines.push(...(await (await output.read(path)).text()).trimEnd().split('\n'));
  return lines.sort();
}

beforeEach(async () => {
  const root = await navigator.storage.getDirectory();
  await root.removeEntry('test-align-decisions', { recursive: true }).catch(() => undefined);
});

it('one photo in two identities is pointed out, with both names', async () => {
  const { duplicates, successfullyAligned } = await run(await folder());
  expect(successfullyAligned).toBe(3);
  expect(duplicates).toEqual([['Ann/single.jpg', 'Bo/the same "photo".jpg']]);
});

describe('another of the found faces', () => {
  it('is cut out in place of the first, and stays when the folder is aligned again', async () => {
    const input = await folder();
    const first = await run(input);
    const { faces, chosen } = first.aligned.find(({ path }) => path === 'Ann/both.jpg')!;
    expect(faces).toHaveLength(2);
    const other = 1 - chosen[0]!;
    const before = await decodeImage((await readOutput('Ann/both.png'))!, 'before');
    const decision = { input: [input], output: OUTPUT, path: 'Ann/both.jpg', outputPath: 'Ann/both.png' };
    await takeFace({ ...decision, options: DEFAULT_ALIGN_OPTIONS }, faces[other]!);
    const after = await decodeImage((await readOutput('Ann/both.png'))!, 'after');
    expect(after).toMatchObject({ width: 182, height: 182 });
    const difference = after.data.reduce((sum, value, at) => sum + Math.abs(value - before.data[at]!), 0);
    expect(difference / after.data.length).toBeGreaterThan(10);
    const line = (await boundingBoxes()).find((text) => text.startsWith('Ann/both.png '))!;
    const [x1, y1, x2, y2] = line.split(' ').slice(1).map(Number) as [number, number, number, number];
    const [left, top, right, bottom] = faces[other]!.box;
    expect([x1, y1]).toEqual([Math.trunc(Math.max(left - 22, 0)), Math.trunc(Math.max(top - 22, 0))]);
    expect([x2, y2]).toEqual([Math.trunc(Math.min(right + 22, 500)), Math.trunc(Math.min(bottom + 22, 250))]);
    expect(await boundingBoxes()).toHaveLength(3);
    expect(await run(input)).toMatchObject({ skippedExisting: 3, aligned: [] });
    expect((await decodeImage((await readOutput('Ann/both.png'))!, 'again')).data).toEqual(after.data);
  });

  it('of a photo that is gone: says which', async () => {
    const input = await folder();
    const { aligned } = await run(input);
    const decision = { input: [input], output: OUTPUT, path: 'Ann/gone.jpg', outputPath: 'Ann/gone.png' };
    await expect(
      takeFace({ ...decision, options: DEFAULT_ALIGN_OPTIONS }, aligned[0]!.faces[0]!),
    ).rejects.toThrow(/Ann\/gone\.jpg is no longer in the folder/);
  });
});

describe('a photo set aside', () => {
  it('has no face, stays aside when the folder is aligned again, and can be taken back', async () => {
    const input = await folder();
    await run(input);
    await setAside(OUTPUT, 'Ann/both.jpg', ['Ann/both.png']);
    expect(await readOutput('Ann/both.png')).toBeUndefined();
    expect(await boundingBoxes()).toContain('Ann/both.png');
    const again = await run(input);
    expect(again).toMatchObject({ setAside: ['Ann/both.jpg'], skippedExisting: 2, successfullyAligned: 2 });
    expect(again.aligned).toEqual([]);
    expect(again.failures).toEqual([]);
    await takeBack(OUTPUT, 'Ann/both.jpg');
    expect(await readOutput('set_aside.json')).toBeUndefined();
    const back = await run(input);
    expect(back).toMatchObject({ setAside: [], skippedExisting: 2, successfullyAligned: 3 });
    expect(await readOutput('Ann/both.png')).toBeDefined();
  });

  it('is named in a list that says so when it is damaged, instead of forgetting the photos', async () => {
    const input = await folder();
    const output = await openWritableDirectory(OUTPUT);
    await output.write('set_aside.json', '{"photos": 3}');
    await expect(run(input)).rejects.toBeInstanceOf(SetAsideListDamagedError);
  });
});

it('writes a zip file during the job, with every face and the boxes', async () => {
  const { readable, writable } = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>();
  const whole = new Response(readable).blob();
  const { successfullyAligned } = await run(await folder(), { kind: 'zip', stream: writable });
  expect(successfullyAligned).toBe(3);
  const zip = await ZipFile.open(await whole, 'faces.zip');
  const names = [...zip.entries.keys()].sort();
  expect(names.slice(0, 3)).toEqual(['Ann/both.png', 'Ann/single.png', 'Bo/the same "photo".png']);
  expect(names[3]).toMatch(/^alignment_\d{5}\.jsonl$/);
  expect(names[4]).toMatch(/^bounding_boxes_\d{5}\.txt$/);
  const png = await zip.read('Ann/single.png', 1e6);
  expect(await decodeImage(new Blob([png]), 'in the zip')).toMatchObject({ width: 182, height: 182 });
});
