/** Entry point: faces on photos as taken and in the camera's picture, compared and named; one model at a time. */
import { expose } from 'comlink';
import { recognize } from './evaluation/recognition/recognizer.ts';
import {
  decodeGallery,
  encodeGallery,
  GalleryFileError,
  type GalleryContent,
} from './formats/gallery_file.ts';
import { COMPARE_DETECTION } from './jobs/use/compare_job.ts';
import { chooseExecutor } from './jobs/executors.ts';
import { FaceEmbedder, fingerprintOf } from './jobs/use/identify_embedder.ts';
import { distancesBetween, FaceStore, findFaces } from './jobs/use/identify_faces.ts';
import {
  buildClassifier,
  identifyFaces,
  learnPeople,
  testRecognition,
  type LearnedPeople,
} from './jobs/use/identify_people.ts';
import { listPhotos, locateFaces, readAlignedFaces } from './jobs/use/identify_photos.ts';
import { drawPicture, frameImage } from './jobs/use/identify_pictures.ts';
import { cutFace, faceCut } from './detector/align.ts';
import { FaceDetector } from './detector/detector.ts';
import { loadForJob } from './jobs/models/model_job.ts';
import { inSlices } from './jobs/slices.ts';
import type { BackendName } from './protocol/device.ts';
import type {
  EnrolledPerson,
  IdentifyWorkerApi,
  KeptGallery,
  OpenedGallery,
  OpenedModel,
} from './protocol/use/identify.ts';
import './rpc/job_control_transfer.ts';
import * as galleries from './storage/galleries.ts';

/** The smallest face that is looked for in the camera's picture, as a share of its height. */
const SMALLEST_FRAME_FACE = 1 / 8;

interface ReadyModel {
  readonly key: string;
  readonly opened: OpenedModel;
  readonly embedder: FaceEmbedder;
}

class NoModelError extends Error {
  override name = 'NoModelError';
  constructor() {
    super('No model is loaded. Choose a model first.');
  }
}

const store = new FaceStore();
let ready: ReadyModel | undefined;
let detector: Promise<FaceDetector> | undefined;
let learned: LearnedPeople | undefined;

function openDetector(backend?: BackendName): Promise<FaceDetector> {
  if (!detector) {
    detector = FaceDetector.create(backend);
    detector.catch(() => (detector = undefined));
  }
  return detector;
}

function requireModel(): ReadyModel {
  if (!ready) throw new NoModelError();
  return ready;
}

function addToStore({ modelName, fingerprint, faces }: GalleryContent): OpenedGallery {
  return {
    modelName,
    fingerprint,
    faces: faces.map(({ person, photo, picture, embedding }, photoIndex) =>
      store.add(
        { photo, photoIndex, person, number: 1, faceCount: 1, picture },
        { embedding, modelName, fingerprint },
      ),
    ),
  };
}

function contentOf(people: readonly EnrolledPerson[]): GalleryContent {
  const faces = people.flatMap(({ name, faces: ids }) =>
    store.all(ids).map(({ found, embedding }) => ({
      person: name,
      photo: found.photo,
      picture: found.picture,
      embedding,
    })),
  );
  const first = store.all(people.flatMap(({ faces: ids }) => ids))[0];
  if (!first) throw new GalleryFileError('nobody is enrolled');
  return { modelName: first.modelName, fingerprint: first.fingerprint, faces };
}

async function closeModel(): Promise<void> {
  const [embedder, openedDetector] = [ready?.embedder, detector];
  ready = undefined;
  detector = undefined;
  await embedder?.dispose();
  await openedDetector?.then(
    (one) => one.dispose(),
    () => undefined,
  );
}

const api: IdentifyWorkerApi = {
  async openModel({ model, key, backend }, control) {
    if (ready?.key === key) return ready.opened;
    const before = ready;
    ready = undefined;
    await before?.embedder.dispose();
    const loaded = await loadForJob(model, control);
    const { createEmbedder } = await chooseExecutor({ backend });
    ready = {
      key,
      embedder: new FaceEmbedder(loaded, createEmbedder),
      opened: {
        name: loaded.name,
        fingerprint: fingerprintOf(loaded),
        embeddingSize: loaded.graph.embeddingSize,
        imageSize: loaded.imageSize,
      },
    };
    return ready.opened;
  },
  closeModel,
  async findFaces(request, control, onEvent) {
    const { embedder, opened } = requireModel();
    const photos = await listPhotos(request.photos, control.signal);
    const located = request.areAligned
      ? readAlignedFaces(photos, opened.imageSize)
      : locateFaces(photos, await openDetector(), request.faces, embedder.cutOptions(request.margin));
    await findFaces(
      located,
      photos.length,
      {
        embed: (crops) => embedder.embed(crops),
        draw: drawPicture,
        modelName: opened.name,
        fingerprint: opened.fingerprint,
      },
      store,
      control,
      onEvent,
    );
  },
  forgetFaces: (ids) => store.forget(ids),
  distances: (ids, control) => inSlices(distancesBetween(store.all(ids)), control),
  async learn(people, settings, control, onProgress) {
    learned = await learnPeople(store, people, settings, ready?.opened.fingerprint, control, onProgress);
    return learned.recognition;
  },
  identify: (ids) => (learned ? identifyFaces(learned, store.all(ids, learned.faces[0]?.fingerprint)) : []),
  async identifyFrame(frame, margin) {
    const { embedder, opened } = requireModel();
    const image = frameImage(frame);
    const { width, height } = image;
    const minsize = Math.max(COMPARE_DETECTION.minsize, Math.round(height * SMALLEST_FRAME_FACE));
    const { faces } = await (await openDetector()).detect(image, { ...COMPARE_DETECTION, minsize });
    const cut = faces.flatMap((face) => {
      const options = embedder.cutOptions(margin);
      const crop = cutFace(image, faceCut(face, options, width, height), options.image_size);
      return crop ? [{ box: face.box, crop }] : [];
    });
    const embeddings = await embedder.embed(cut.map(({ crop }) => crop));
    const people = learned?.faces[0]?.fingerprint === opened.fingerprint ? learned : undefined;
    return cut.map(({ box }, index) => {
      if (!people) return { box, person: undefined, distance: Infinity };
      const { label, distance } = recognize(people.recognizer, embeddings[index]!);
      return { box, person: label === undefined ? undefined : people.names[label], distance };
    });
  },
  test: (request, control, onProgress) => testRecognition(store, request, control, onProgress),
  async buildClassifier(people, seed, control) {
    const text = await buildClassifier(store, people, seed, control);
    return new Blob([text], { type: 'application/json' });
  },
  buildGallery: (people, withPictures) => encodeGallery(contentOf(people), withPictures),
  openGallery: async (file) => addToStore(await decodeGallery(file)),
  async keepGallery(people, withPictures) {
    const content = contentOf(people);
    const file = await encodeGallery(content, withPictures);
    const kept: KeptGallery = {
      id: crypto.randomUUID(),
      keptAt: Date.now(),
      people: people.length,
      faces: content.faces.length,
      modelName: content.modelName,
      fingerprint: content.fingerprint,
      sizeBytes: file.size,
    };
    await galleries.keepGallery(kept, file);
    return kept;
  },
  async openKeptGallery(id) {
    const file = await galleries.readGallery(id);
    if (!file) throw new GalleryFileError('it has been deleted');
    return addToStore(await decodeGallery(file));
  },
};

expose(api);
