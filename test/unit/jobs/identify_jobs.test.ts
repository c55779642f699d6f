/** Finding faces, enrolling people and testing them with a fake embedder; also the files of people. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeClassifier } from '../../../workers/formats/classifier_file.ts';
import {
  decodeGallery,
  encodeGallery,
  GalleryFileError,
  type GalleryContent,
} from '../../../workers/formats/gallery_file.ts';
import type { RgbImage } from '../../../workers/protocol/data/images.ts';
import { TooFewClassesError, EvaluationCancelledError } from '../../../workers/jobs/errors.ts';
import { FaceStore, findFaces, OtherModelError } from '../../../workers/jobs/use/identify_faces.ts';
import {
  buildClassifier,
  identifyFaces,
  learnPeople,
  testRecognition,
  USUAL_THRESHOLD,
} from '../../../workers/jobs/use/identify_people.ts';
import {
  listPhotos,
  readAlignedFaces,
  type FacePhoto,
  type LocatedPhoto,
} from '../../../workers/jobs/use/identify_photos.ts';
import { JobControl } from '../../../workers/protocol/job_control.ts';
import type {
  EnrolledPerson,
  FindFacesEvent,
  RecognitionSettings,
} from '../../../workers/protocol/use/identify.ts';
import { people } from '../evaluation/clustered_embeddings.ts';

const SETTINGS: RecognitionSettings = { method: 'nearest', k: 3, falseAcceptRate: 0, seed: 1 };
const MODEL = { modelName: 'm', fingerprint: '01234567' };
const PICTURE = new Blob(['picture'], { type: 'image/webp' });

/** Invented people in storage. */
function enrol(store: FaceStore, classes: number, each: number, spread = 0.3, seed = 3): EnrolledPerson[] {
  const { embeddings, labels, dimension } = people(classes, each, 8, spread, seed);
  const faces: number[][] = Array.from({ length: classes }, () => []);
  labels.forEach((label, row) => {
    const embedding = embeddings.slice(row * dimension, (row + 1) * dimension);
    const photo = `${row}.jpg`;
    const found = { photo, photoIndex: row, person: '', number: 1, faceCount: 1, picture: PICTURE };
    faces[label]!.push(store.add(found, { embedding, ...MODEL }).id);
  });
  return faces.map((ids, label) => ({ name: `p${label}`, faces: ids }));
}

describe('finding faces', () => {
  const crop = (value: number): RgbImage => ({ width: 1, height: 1, data: Uint8Array.of(value, 0, 0) });
  const tools = {
    embed: async (crops: readonly RgbImage[]) => crops.map(({ data }) => Float32Array.of(data[0]!)),
    draw: async () => PICTURE,
    ...MODEL,
  };

  async function* photos(counts: readonly number[]): AsyncGenerator<LocatedPhoto> {
    for (const [index, count] of counts.entries()) {
      const photo = { name: `${index}.jpg`, index, person: '' } as FacePhoto;
      yield count === 0
        ? { photo, faces: { message: `No face was found in ${index}.jpg.` } }
        : {
            photo,
            faces: {
              faceCount: count,
              crops: Array.from({ length: count }, (_, at) => ({
                number: at + 1,
                image: crop(10 * index + at),
              })),
            },
          };
    }
  }

  it('reports each face of each photo, and photos without one', async () => {
    const store = new FaceStore();
    const events: FindFacesEvent[] = [];
    const counts = [2, 0, 1, 20];
    await findFaces(photos(counts), 4, tools, store, new JobControl(), (event) => events.push(event));
    const faces = events.flatMap((event) => (event.kind === 'faces' ? event.faces : []));
    expect(faces.map(({ photo, number, faceCount }) => [photo, number, faceCount])).toEqual(
      counts.flatMap((count, index) =>
        Array.from({ length: count }, (_, at) => [`${index}.jpg`, at + 1, count]),
      ),
    );
    expect(new Set(faces.map(({ id }) => id)).size).toBe(23);
    expect(store.all(faces.map(({ id }) => id)).map(({ embedding }) => embedding[0])).toEqual(
      counts.flatMap((count, index) => Array.from({ length: count }, (_, at) => 10 * index + at)),
    );
    const failures = events.flatMap((event) => (event.kind === 'failures' ? event.failures : []));
    expect(failures).toEqual([{ photo: '1.jpg', photoIndex: 1, message: 'No face was found in 1.jpg.' }]);
    expect(events.at(-1)).toEqual({ kind: 'progress', done: 4, total: 4 });
  });

  it('ends when it is cancelled', async () => {
    const control = new JobControl();
    control.cancel();
    const found = findFaces(photos([1, 1]), 2, tools, new FaceStore(), control, () => undefined);
    await expect(found).rejects.toThrow(EvaluationCancelledError);
  });

  it('names photos as the person does, also two of one name', async () => {
    const files = ['a.png', 'a.png', 'b.png'].map((name, index) => new File([String(index)], name));
    const listed = await listPhotos({ kind: 'files', files });
    expect(listed.map(({ name }) => name)).toEqual(['a.png', 'a.png', 'b.png']);
    const read = async ({ path, directory }: FacePhoto['file']): Promise<RgbImage> => {
      if (path.endsWith('b.png')) throw new Error(`${path} is damaged.`);
      const value = Number(await (await directory.read(path)).text());
      return { width: 4, height: 4, data: new Uint8Array(48).fill(value) };
    };
    const located = [];
    for await (const one of readAlignedFaces(listed, 2, read)) located.push(one.faces);
    expect(
      located.map((faces) => ('crops' in faces ? faces.crops[0]!.image.data[0] : faces.message)),
    ).toEqual([0, 1, 'b.png is damaged.']);
  });

  it('takes the folder for the person', async () => {
    const folder = {
      kind: 'files' as const,
      name: 'people',
      files: ['Böb/1.png', 'Ann/2.png', 'Ann/1.png', 'note.txt'].map((path) => ({
        path,
        file: new File(['x'], path),
      })),
    };
    const listed = await listPhotos({ kind: 'folders', folders: [folder] });
    expect(listed.map(({ person, name, index }) => [person, name, index])).toEqual([
      ['Ann', 'Ann/1.png', 0],
      ['Ann', 'Ann/2.png', 1],
      ['Böb', 'Böb/1.png', 2],
    ]);
  });
});

describe('learning people', () => {
  it('names their faces, and says how sure that is', async () => {
    const store = new FaceStore();
    const enrolled = enrol(store, 4, 5);
    const learned = await learnPeople(store, enrolled, SETTINGS, MODEL.fingerprint, new JobControl());
    const { recognition } = learned;
    expect(recognition.acceptFaces).toBe(20);
    expect(recognition.rejectFaces).toBe(20);
    expect(recognition.atThreshold.falseAcceptRate).toBe(0);
    expect(recognition.threshold).toBe(recognition.atThreshold.threshold);
    // With twenty faces, a rate below one in twenty means none.
    expect(recognition.table.map(({ target }) => target)).toEqual([0, 0.05, 0.1]);
    for (const { name, faces } of enrolled)
      for (const { person, distance, nearest, id } of identifyFaces(learned, store.all(faces))) {
        expect(person).toBe(name);
        expect(distance).toBe(0);
        expect(nearest[0]).toEqual({ id, person: name, distance: 0 });
      }
  });

  it('takes a threshold that the person sets', async () => {
    const store = new FaceStore();
    const enrolled = enrol(store, 2, 2);
    const settings = { ...SETTINGS, threshold: 0 };
    const learned = await learnPeople(store, enrolled, settings, undefined, new JobControl());
    expect(learned.recognition.threshold).toBe(0);
    const [first] = identifyFaces(learned, store.all(enrolled[0]!.faces));
    expect(first!.person).toBeUndefined();
  });

  it('has a usual threshold for one person, whom no vector machine can tell from anybody', async () => {
    const store = new FaceStore();
    const enrolled = enrol(store, 1, 2);
    const learned = await learnPeople(store, enrolled, SETTINGS, undefined, new JobControl());
    expect(learned.recognition).toMatchObject({ threshold: USUAL_THRESHOLD, acceptFaces: 0, table: [] });
    const settings = { ...SETTINGS, method: 'svm' as const };
    await expect(learnPeople(store, enrolled, settings, undefined, new JobControl())).rejects.toThrow(
      TooFewClassesError,
    );
    await expect(learnPeople(store, [], SETTINGS, undefined, new JobControl())).rejects.toThrow(
      TooFewClassesError,
    );
  });

  it('refuses faces of another model', async () => {
    const store = new FaceStore();
    const enrolled = enrol(store, 2, 2);
    await expect(learnPeople(store, enrolled, SETTINGS, '89abcdef', new JobControl())).rejects.toThrow(
      OtherModelError,
    );
  });

  it('writes a classifier that the terminal reads', async () => {
    const store = new FaceStore();
    const text = await buildClassifier(store, enrol(store, 3, 4), 666, new JobControl());
    const { classNames, svm, modelName } = decodeClassifier(text);
    expect(classNames).toEqual(['p0', 'p1', 'p2']);
    expect(svm).toMatchObject({ classes: 3, dimension: 8 });
    expect(modelName).toBe('m');
  });
});

describe('a test', () => {
  it.each(['nearest', 'svm'] as const)('adds up, with strangers: %s', async (method) => {
    const store = new FaceStore();
    const enrolled = enrol(store, 5, 6);
    // One person has too few faces, and acts as the stranger.
    const some = enrolled.map((person, index) =>
      index === 4 ? { ...person, faces: person.faces.slice(0, 2) } : person,
    );
    const request = {
      people: some,
      settings: { ...SETTINGS, method, falseAcceptRate: 0.05 },
      nrofTrainImagesPerClass: 4,
      minNrofImagesPerClass: 3,
    };
    const test = await testRecognition(store, request, new JobControl());
    expect(test).toMatchObject({ people: 4, trainFaces: 16, testFaces: 8, strangers: 2 });
    expect(test.right + test.wrong + test.unknown).toBe(8);
    expect(test.accuracy).toBe(test.right / 8);
    expect(test.right).toBeGreaterThanOrEqual(6);
    expect(test.names).toEqual(['p0', 'p1', 'p2', 'p3']);
    const sum = (row: readonly number[]): number => row.reduce((total, count) => total + count, 0);
    expect(test.confusion.map(sum)).toEqual([2, 2, 2, 2, 2]);
    expect(test.confusion[4]!.slice(0, 4).reduce((a, b) => a + b)).toBe(test.strangersAccepted);
    expect(test.mistakes).toHaveLength(8 - test.right + test.strangersAccepted);
    // The same seed gives the same test.
    expect(await testRecognition(store, request, new JobControl())).toEqual(test);
  });

  it('needs faces that are held back', async () => {
    const store = new FaceStore();
    const request = {
      people: enrol(store, 2, 2),
      settings: SETTINGS,
      nrofTrainImagesPerClass: 2,
      minNrofImagesPerClass: 1,
    };
    await expect(testRecognition(store, request, new JobControl())).rejects.toThrow(TooFewClassesError);
  });
});

describe('a file of people', () => {
  const { embeddings } = people(2, 2, 8, 0.3, 4);
  const content: GalleryContent = {
    ...MODEL,
    faces: ['Ann', 'Böb', 'Ann', 'Böb'].map((person, row) => ({
      person,
      photo: `${row}.jpg`,
      embedding: embeddings.slice(row * 8, row * 8 + 8),
      picture: PICTURE,
    })),
  };

  it.each([true, false])('is read as it was written, with pictures: %s', async (withPictures) => {
    const read = await decodeGallery(await encodeGallery(content, withPictures));
    expect(read).toMatchObject(MODEL);
    expect(read.faces.map(({ person, photo, embedding }) => [person, photo, embedding])).toEqual(
      content.faces.map(({ person, photo, embedding }) => [person, photo, embedding]),
    );
    for (const { picture } of read.faces)
      expect([await picture.text(), picture.type]).toEqual(
        withPictures ? ['picture', 'image/webp'] : ['', 'image/png'],
      );
  });

  it('is refused in words where it is something else, cut or changed', async () => {
    const text = await (await encodeGallery(content, true)).text();
    const refused = (changed: string): Promise<void> =>
      expect(decodeGallery(new Blob([changed])), changed.slice(0, 80)).rejects.toThrow(GalleryFileError);
    for (const bad of [
      '',
      '{}',
      'null',
      text.slice(0, -5),
      text.replace('gallery', 'classifier'),
      text.replace('"labels":[0,1', '"labels":[0,2'),
      text.replace('"labels":[0,', '"labels":['),
      text.replace('"embeddings":"', '"embeddings":"AAAA'),
      text.replace('"pictures":["', '"pictures":["!'),
      text.replace('image/webp', 'image/svg+xml'),
    ])
      await refused(bad);
    await fc.assert(
      fc.asyncProperty(fc.nat(text.length - 1), fc.string({ maxLength: 3 }), async (at, put) => {
        try {
          const { faces } = await decodeGallery(
            new Blob([text.slice(0, at) + put + text.slice(at + put.length)]),
          );
          expect(faces.length).toBeLessThanOrEqual(4);
        } catch (error) {
          expect(error).toBeInstanceOf(GalleryFileError);
        }
      }),
      { numRuns: 500 },
    );
  });
});
