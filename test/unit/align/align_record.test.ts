/** The records that an alignment writes about its faces, and how the next alignment into the folder uses them. */
import { describe, expect, it } from 'vitest';
import { encodePng } from '../../../workers/files/images/encode_png.ts';
import { readClasses } from '../../../workers/files/classes.ts';
import type { WritableDirectory } from '../../../workers/protocol/data/directories.ts';
import { MemoryDirectory } from '../../../workers/files/memory_directory.ts';
import { pngText, withPngText } from '../../../workers/files/images/png_text.ts';
import { sha256 } from '../../../workers/common/sha256.ts';
import { AlignmentNotes } from '../../../workers/jobs/align/alignment_notes.ts';
import { readAlignFolders } from '../../../workers/jobs/align/align_folders.ts';
import { facePath, planAlignment } from '../../../workers/jobs/align/align_plan.ts';
import { withChosenFace } from '../../../workers/jobs/align/chosen_face.ts';
import { ExistingFaces } from '../../../workers/jobs/align/existing_faces.ts';
import {
  readRecordLines,
  recordInside,
  RecordLines,
  settingsOf,
  withRecord,
} from '../../../workers/files/photo_record.ts';
import { OutputNames } from '../../../workers/jobs/output_names.ts';
import {
  DEFAULT_ALIGN_OPTIONS,
  type AlignOptions,
  type DetectedFace,
} from '../../../workers/protocol/align/align.ts';
import type { PhotoRecord } from '../../../workers/protocol/align/align_record.ts';

const OPTIONS = DEFAULT_ALIGN_OPTIONS;
const FACE: DetectedFace = {
  box: [1, 2, 30, 40],
  score: 0.9,
  landmarksX: [1, 2, 3, 4, 5],
  landmarksY: [5, 4, 3, 2, 1],
};
const OTHER_FACE: DetectedFace = { ...FACE, box: [50, 50, 90, 95] };

const photo = (content: string, modifiedMs = 1000): File =>
  new File([content], 'photo', { lastModified: modifiedMs });

/** The picture does not matter; its bytes depend on the shade. */
async function png(shade: number): Promise<Uint8Array<ArrayBuffer>> {
  const data = Uint8Array.from({ length: 8 * 8 * 3 }, (_, index) => (index * shade) % 251);
  return encodePng({ width: 8, height: 8, data });
}

interface MadeOptions {
  readonly options?: AlignOptions;
  readonly faces?: readonly DetectedFace[];
  readonly isByHand?: boolean;
  readonly chosen?: readonly number[];
}

/** Writes the faces of a photo as the job does. */
async function make(
  input: MemoryDirectory,
  output: WritableDirectory,
  path: string,
  { options = OPTIONS, faces = [FACE], isByHand = false, chosen = [0] }: MadeOptions = {},
): Promise<PhotoRecord> {
  const file = (await input.read(path)) as File;
  const stem = path.replace(/\.\w+$/, '');
  const record = {
    photo: path,
    sizeBytes: file.size,
    modifiedMs: file.lastModified,
    sha256: await sha256(new Uint8Array(await file.arrayBuffer())),
    width: 100,
    height: 100,
    settings: settingsOf(options),
    faces,
    outputs: chosen.map((face, order) => ({
      path: facePath(stem, order, options),
      face,
      box: [0, 0, 40, 50] as const,
      sizeBytes: 0,
    })),
    isByHand,
  };
  const outputs = [];
  for (const [order, one] of record.outputs.entries()) {
    const picture = await png(order + path.length);
    const content = order === 0 ? withRecord(picture, record) : picture;
    await output.write(one.path, content);
    outputs.push({ ...one, sizeBytes: content.length });
  }
  return { ...record, outputs };
}

async function planFor(input: MemoryDirectory, output: MemoryDirectory, options: AlignOptions = OPTIONS) {
  const { classes } = await readClasses([input], undefined, undefined, () => true);
  const images = classes.flatMap((one) => one.images);
  const existing = await ExistingFaces.read(output);
  const names = new OutputNames(classes);
  const plan = await planAlignment({
    allImages: images,
    images,
    names,
    existing,
    setAside: new Set(),
    options,
  });
  return { ...plan, existing };
}

/** Aligns the photos in the plan, like the job. With `dies`, it writes no records. */
async function alignAll(
  input: MemoryDirectory,
  output: MemoryDirectory,
  { dies = false, ...made }: MadeOptions & { dies?: boolean } = {},
): Promise<Awaited<ReturnType<typeof planFor>>> {
  const plan = await planFor(input, output, made.options);
  const notes = new AlignmentNotes(output, plan.existing);
  notes.addUnlisted(plan.existing.unlisted);
  for (const face of plan.existing.newElsewhere) notes.addMadeElsewhere(face);
  for (const same of plan.samePhotos) notes.addSamePhoto(same);
  notes.begin(made.options ?? OPTIONS);
  await notes.flush();
  for (const { image, previous } of plan.todo) {
    const record = await make(input, output, image.path, made);
    if (previous) notes.forget(previous.outputs.map(({ path }) => path));
    notes.addPhoto(record, image.path.replace(/\.\w+$/, '.png'));
  }
  if (!dies) await notes.flush();
  return plan;
}

const pathsOf = ({ todo }: Awaited<ReturnType<typeof planFor>>): string[] =>
  todo.map(({ image }) => image.path);

async function listed(output: MemoryDirectory): Promise<string[]> {
  const lines: string[] = [];
  for (const [path, blob] of output.files)
    if (path.startsWith('bounding_boxes')) lines.push(...(await blob.text()).trimEnd().split('\n'));
  return lines.sort();
}

const facesOf = (output: MemoryDirectory): string[] =>
  [...output.files.keys()].filter((path) => path.endsWith('.png')).sort();

describe('text inside of a PNG file', () => {
  it('is found again, and the picture’s own chunks stay as they are', async () => {
    const picture = await png(3);
    const text = 'Zoë "写真" \u{1f600}';
    const marked = withPngText(picture, 'keyword', text);
    expect(pngText(marked, 'keyword')).toBe(text);
    expect(pngText(marked, 'key')).toBeUndefined();
    expect(pngText(picture, 'keyword')).toBeUndefined();
    const added = marked.length - picture.length;
    expect(marked.slice(0, 33)).toEqual(picture.slice(0, 33));
    expect(marked.slice(33 + added)).toEqual(picture.slice(33));
  });

  it('that is damaged or cut off counts as none', async () => {
    const marked = withPngText(await png(3), 'keyword', 'some text');
    for (let length = 0; length < marked.length; length++) {
      const text = pngText(marked.slice(0, length), 'keyword');
      if (text !== undefined) expect(text).toBe('some text');
    }
    const flipped = marked.slice();
    flipped[60]! ^= 1;
    expect(pngText(flipped, 'keyword')).toBeUndefined();
  });
});

describe('records', () => {
  const input = new MemoryDirectory('in', { 'A/a.jpg': photo('a') });

  it('are read as they were written, line by line and inside of the face', async () => {
    const output = new MemoryDirectory('out');
    const record = await make(input, output, 'A/a.jpg', { faces: [FACE, OTHER_FACE], chosen: [1] });
    const lines = new RecordLines();
    const text = lines.begin(record.settings) + lines.photo(record) + lines.photo(record).slice(0, -30);
    const read: PhotoRecord[] = [];
    await readRecordLines(new Blob([text]), { onPhoto: (one) => read.push(one) });
    expect(read).toEqual([record]);
    const inside = await recordInside(await output.read('A/a.png'));
    expect(inside).toEqual({ ...record, outputs: [{ ...record.outputs[0]!, sizeBytes: 0 }] });
  });

  it('that are not records are skipped', async () => {
    const read: PhotoRecord[] = [];
    const text = '{"photo":3}\nnull\n[1,2\n\n{"version":2,"settings":{}}\n"text"\n{"version":1}\n';
    await readRecordLines(new Blob([text]), { onPhoto: (one) => read.push(one) });
    expect(read).toEqual([]);
    expect(await recordInside(new Blob([withPngText(await png(2), 'facenet-alignment', '{"photo":')]))).toBe(
      undefined,
    );
  });
});

describe('the next alignment', () => {
  it('finds everything there, for the same photos and settings', async () => {
    const input = new MemoryDirectory('in', { 'A/a.jpg': photo('a'), 'B/b.jpg': photo('bb') });
    const output = new MemoryDirectory('out');
    expect(pathsOf(await alignAll(input, output))).toEqual(['A/a.jpg', 'B/b.jpg']);
    const { todo, counts } = await planFor(input, output);
    expect(todo).toEqual([]);
    expect(counts).toMatchObject({ totalImages: 2, unchanged: 2, missing: 0, withoutPhoto: [] });
  });

  it('takes a changed photo under an old name again, and lists it once', async () => {
    const input = new MemoryDirectory('in', { 'A/a.jpg': photo('a'), 'B/b.jpg': photo('bb') });
    const output = new MemoryDirectory('out');
    await alignAll(input, output);
    input.files.set('A/a.jpg', photo('another picture', 2000));
    const second = await alignAll(input, output);
    expect(pathsOf(second)).toEqual(['A/a.jpg']);
    expect(second.counts).toMatchObject({ unchanged: 1, changedPhotos: 1 });
    expect((await planFor(input, output)).counts).toMatchObject({ unchanged: 2, changedPhotos: 0 });
    expect(await listed(output)).toEqual(['A/a.png 0 0 40 50', 'B/b.png 0 0 40 50']);
  });

  it('notices a changed photo of the same size, and knows a copy with another time or name', async () => {
    const input = new MemoryDirectory('in', { 'A/a.jpg': photo('one'), 'A/b.jpg': photo('two') });
    const output = new MemoryDirectory('out');
    await alignAll(input, output);
    input.files.set('A/a.jpg', photo('ONE', 2000));
    input.files.set('A/b.jpg', photo('two', 3000));
    const second = await planFor(input, output);
    expect(second.counts).toMatchObject({ unchanged: 1, changedPhotos: 1 });
    expect(second.samePhotos).toEqual([{ face: 'A/b.png', photo: 'A/b.jpg', modifiedMs: 3000 }]);
    // The same photo, converted, has a different content.
    input.files.set('A/b.jpeg', input.files.get('A/b.jpg')!);
    input.files.delete('A/b.jpg');
    expect((await planFor(input, output)).counts).toMatchObject({ unchanged: 1, changedPhotos: 1 });
    await alignAll(input, output);
    const third = await planFor(input, output);
    // Its new name and time are recorded.
    expect(third.samePhotos).toEqual([]);
    expect(third.counts).toMatchObject({ unchanged: 2 });
  });

  it('does photos again that were made with other settings, but for the order', async () => {
    const input = new MemoryDirectory('in', { 'A/a.jpg': photo('a') });
    const output = new MemoryDirectory('out');
    await alignAll(input, output);
    for (const changes of [
      { image_size: 160 },
      { margin: 32 },
      { minsize: 60 },
      { thresholds: [0.6, 0.7, 0.99] as const },
      { factor: 0.8 },
      { detect_multiple_faces: true },
    ])
      expect((await planFor(input, output, { ...OPTIONS, ...changes })).counts).toMatchObject({
        otherSettings: 1,
        unchanged: 0,
      });
    expect((await planFor(input, output, { ...OPTIONS, random_order: true })).counts.unchanged).toBe(1);
  });

  it('keeps what a person chose when the settings are others, but not for another picture', async () => {
    const input = new MemoryDirectory('in', { 'A/a.jpg': photo('a') });
    const output = new MemoryDirectory('out');
    await alignAll(input, output, { faces: [FACE, OTHER_FACE], chosen: [1], isByHand: true });
    const other = { ...OPTIONS, image_size: 160 };
    const { todo, counts } = await planFor(input, output, other);
    expect(counts).toMatchObject({ otherSettings: 1, keptByHand: 1 });
    const choice = todo[0]!.choice!;
    // The face is found again near its old place, or not at all.
    const moved = { ...OTHER_FACE, box: [51, 50, 91, 96] as const };
    expect(withChosenFace([FACE, moved], choice)).toEqual({ faces: [FACE, moved], best: 1 });
    expect(withChosenFace([FACE], choice)).toEqual({ faces: [FACE, OTHER_FACE], best: 1 });
    expect(withChosenFace([], choice)).toEqual({ faces: [OTHER_FACE], best: 0 });
    input.files.set('A/a.jpg', photo('another', 5));
    const changed = await planFor(input, output, other);
    expect(changed.counts).toMatchObject({ changedPhotos: 1, keptByHand: 0 });
    expect(changed.todo[0]!.choice).toBeUndefined();
  });

  it('trusts faces without a record by their names, and counts them', async () => {
    const input = new MemoryDirectory('in', { 'A/a.jpg': photo('a'), 'A/b.jpg': photo('b') });
    const output = new MemoryDirectory('out', { 'A/a.png': await png(7) });
    const first = await alignAll(input, output);
    expect(pathsOf(first)).toEqual(['A/b.jpg']);
    expect(first.counts).toMatchObject({ withoutRecord: 1, missing: 1 });
    expect((await planFor(input, output)).counts).toMatchObject({ withoutRecord: 1, unchanged: 1 });
    // If a person has replaced our face with another one, that one is kept.
    await output.write('A/b.png', await png(9));
    expect((await planFor(input, output)).counts).toMatchObject({ withoutRecord: 2, unchanged: 0 });
  });

  it('names faces whose photo is gone', async () => {
    const input = new MemoryDirectory('in', { 'A/a.jpg': photo('a'), 'B/b.jpg': photo('b') });
    const output = new MemoryDirectory('out', { 'C/old.png': await png(7) });
    await alignAll(input, output);
    input.files.delete('B/b.jpg');
    expect((await planFor(input, output)).counts.withoutPhoto).toEqual([
      { photo: 'B/b.jpg', outputPaths: ['B/b.png'] },
      { photo: undefined, outputPaths: ['C/old.png'] },
    ]);
  });

  it('does not take `a_0` for done because `a` gave a face of that name', async () => {
    const input = new MemoryDirectory('in', { 'A/a.jpg': photo('a'), 'A/a_0.jpg': photo('b') });
    const several = { ...OPTIONS, detect_multiple_faces: true };
    const output = new MemoryDirectory('out');
    await output.write('A/a_0.png', await png(3));
    // Made elsewhere: the original's first face of `a`.
    expect(pathsOf(await planFor(input, output, several))).toEqual(['A/a_0.jpg']);
    const made = new MemoryDirectory('out');
    const { todo } = await alignAll(new MemoryDirectory('in', { 'A/a.jpg': photo('a') }), made, {
      options: several,
    });
    expect(todo).toHaveLength(1);
    expect(pathsOf(await planFor(input, made, several))).toEqual(['A/a_0.jpg']);
    expect(pathsOf(await planFor(input, made))).toEqual(['A/a.jpg', 'A/a_0.jpg']);
  });
});

describe('a run that is killed', () => {
  it('leaves faces that tell their own record: all are known, and listed once', async () => {
    const files = Object.fromEntries(Array.from({ length: 40 }, (_, at) => [`A/${at}.jpg`, photo(`p${at}`)]));
    const input = new MemoryDirectory('in', files);
    const output = new MemoryDirectory('out');
    await alignAll(input, output, { dies: true, faces: [FACE, OTHER_FACE] });
    expect(facesOf(output)).toHaveLength(40);
    expect(await listed(output)).toEqual([]);
    const second = await alignAll(input, output);
    expect(second.counts).toMatchObject({ unchanged: 40, missing: 0 });
    expect((await listed(output)).map((line) => line.split(' ')[0])).toEqual(facesOf(output));
    // The result is recorded, so that no face has to be opened the next time.
    expect((await ExistingFaces.read(output)).unnoted).toEqual([]);
    await alignAll(input, output);
    expect(await listed(output)).toHaveLength(40);
  });

  it('in the middle of a photo’s faces does the photo again', async () => {
    const input = new MemoryDirectory('in', { 'A/a.jpg': photo('a') });
    const output = new MemoryDirectory('out');
    const several = { ...OPTIONS, detect_multiple_faces: true };
    await make(input, output, 'A/a.jpg', { options: several, faces: [FACE, OTHER_FACE], chosen: [0, 1] });
    await output.remove('A/a_0.png');
    const plan = await alignAll(input, output, {
      options: several,
      faces: [FACE, OTHER_FACE],
      chosen: [0, 1],
    });
    expect(plan.counts).toMatchObject({ missing: 1, withoutPhoto: [] });
    expect((await planFor(input, output, several)).counts).toMatchObject({ unchanged: 1, missing: 0 });
    expect((await listed(output)).map((line) => line.split(' ')[0])).toEqual(facesOf(output));
  });
});

it('a photo that gives no face is listed once, and no longer when it gives one', async () => {
  const input = new MemoryDirectory('in', { 'A/a.jpg': photo('a') });
  const output = new MemoryDirectory('out');
  for (let run = 0; run < 3; run++) {
    const notes = new AlignmentNotes(output, await ExistingFaces.read(output));
    notes.addFailure('A/a.png');
    await notes.flush();
  }
  expect(await listed(output)).toEqual(['A/a.png']);
  await alignAll(input, output);
  expect(await listed(output)).toEqual(['A/a.png 0 0 40 50']);
});

it('photos are read with the faces that are there', async () => {
  const input = new MemoryDirectory('in', { 'A/a.jpg': photo('a') });
  const output = new MemoryDirectory('out');
  await alignAll(input, output);
  const reference = {
    kind: 'files' as const,
    name: 'in',
    files: [{ path: 'A/a.jpg', file: photo('a') }],
  };
  const { plan, images } = await readAlignFolders(
    { input: [reference], output: { kind: 'zip', stream: new WritableStream() }, options: OPTIONS },
    async () => output,
    undefined,
    new AbortController().signal,
  );
  expect(images.map(({ path }) => path)).toEqual(['A/a.jpg']);
  expect(plan.counts.unchanged).toBe(1);
});
