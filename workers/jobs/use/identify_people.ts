/** Learning enrolled people, naming faces by them, and testing how well that goes on faces that were held back. */
import { confusionMatrix } from '../../evaluation/recognition/confusion.ts';
import { linearSvmTraining } from '../../evaluation/recognition/linear_svm.ts';
import { type LinearSvm } from '../../protocol/use/classify.ts';
import type { Gallery } from '../../evaluation/recognition/nearest.ts';
import {
  ACCEPT_ALL,
  leaveOneOut,
  rateCurve,
  ratesAt,
  thresholdAtRate,
  type LeaveOneOut,
} from '../../evaluation/recognition/recognition_rates.ts';
import { recognize, type Recognizer } from '../../evaluation/recognition/recognizer.ts';
import { splitPeople } from '../../evaluation/recognition/split_people.ts';
import { encodeClassifier } from '../../formats/classifier_file.ts';
import type {
  EnrolledPerson,
  IdentifiedFace,
  Recognition,
  RecognitionSettings,
  RecognitionTest,
  RecognitionTestRequest,
} from '../../protocol/use/identify.ts';
import { TooFewClassesError } from '../errors.ts';
import type { FaceStore, StoredFace } from './identify_faces.ts';
import type { JobControl } from '../../protocol/job_control.ts';
import { inSlices } from '../slices.ts';

/** Where nobody else is enrolled that a false accept rate could be measured on: what suits many FaceNet models. */
export const USUAL_THRESHOLD = 1.1;
const CURVE_POINTS = 121;
const TABLE_RATES = [0, 0.001, 0.01, 0.05, 0.1] as const;
const MISTAKES_TOLD = 100;

export interface LearnedPeople {
  readonly recognizer: Recognizer;
  readonly names: readonly string[];
  /** In the gallery's order. */
  readonly faces: readonly StoredFace[];
  readonly recognition: Recognition;
}

type OnProgress = ((done: number, total: number) => void) | undefined;

/**
 * @param fingerprint of the model that is open
 * @throws OtherModelError, TooFewClassesError, EvaluationCancelledError
 */
export async function learnPeople(
  store: FaceStore,
  people: readonly EnrolledPerson[],
  settings: RecognitionSettings,
  fingerprint: string | undefined,
  control: JobControl,
  onProgress?: OnProgress,
): Promise<LearnedPeople> {
  const { gallery, faces, names } = openGallery(store, people, fingerprint);
  const usesSvm = settings.method === 'svm';
  if (usesSvm) requireTwo(names);
  const parts = usesSvm ? 2 : 1;
  const distances = await inSlices(leaveOneOut(gallery, settings.seed), control, (share) =>
    onProgress?.(share, parts),
  );
  const svm = usesSvm
    ? await inSlices(linearSvmTraining(gallery, names.length, settings), control, (share) =>
        onProgress?.(1 + share, parts),
      )
    : undefined;
  return { ...build(gallery, names, settings, distances, svm), faces, names };
}

function build(
  gallery: Gallery,
  names: readonly string[],
  settings: RecognitionSettings,
  distances: LeaveOneOut,
  svm: LinearSvm | undefined,
): Pick<LearnedPeople, 'recognizer' | 'recognition'> {
  const threshold =
    settings.threshold ?? thresholdAtRate(distances, settings.falseAcceptRate) ?? USUAL_THRESHOLD;
  const faces = distances.toOthers.length;
  const table =
    names.length < 2
      ? []
      : // A rate below that of one face is no other than none.
        TABLE_RATES.filter((target) => target === 0 || target * faces >= 1).map((target) => ({
          target,
          ...ratesAt(distances, thresholdAtRate(distances, target) ?? ACCEPT_ALL),
        }));
  return {
    recognizer: { gallery, k: settings.k, threshold, svm },
    recognition: {
      threshold,
      atThreshold: ratesAt(distances, threshold),
      curve: rateCurve(distances, CURVE_POINTS),
      table,
      acceptFaces: faces,
      rejectFaces: distances.toOwn.length,
    },
  };
}

interface OpenedPeople {
  readonly gallery: Gallery;
  readonly faces: readonly StoredFace[];
  readonly names: readonly string[];
}

/** @throws OtherModelError, TooFewClassesError */
function openGallery(
  store: FaceStore,
  people: readonly EnrolledPerson[],
  fingerprint: string | undefined,
): OpenedPeople {
  const present = people.filter(({ faces }) => faces.length > 0);
  if (present.length === 0) throw new TooFewClassesError('Nobody is enrolled yet. Enrol people first.');
  const faces = store.all(
    present.flatMap((person) => person.faces),
    fingerprint,
  );
  const dimension = faces[0]?.embedding.length ?? 0;
  const embeddings = new Float32Array(faces.length * dimension);
  faces.forEach(({ embedding }, row) => embeddings.set(embedding, row * dimension));
  const labels = present.flatMap((person, label) => person.faces.map(() => label));
  return { gallery: { embeddings, dimension, labels }, faces, names: present.map(({ name }) => name) };
}

function requireTwo(names: readonly string[]): void {
  if (names.length < 2)
    throw new TooFewClassesError(
      'A support vector machine needs at least two people. Enrol a second person, or use the nearest enrolled faces instead.',
    );
}

/** @throws OtherModelError */
export function identifyFaces(
  { recognizer, names, faces: enrolled }: LearnedPeople,
  faces: readonly StoredFace[],
): IdentifiedFace[] {
  return faces.map(({ found, embedding }) => {
    const { label, distance, probability, neighbours } = recognize(recognizer, embedding);
    return {
      id: found.id,
      person: label === undefined ? undefined : names[label],
      distance,
      probability,
      nearest: neighbours.map((neighbour) => ({
        id: enrolled[neighbour.index]!.found.id,
        person: names[recognizer.gallery.labels[neighbour.index]!]!,
        distance: neighbour.distance,
      })),
    };
  });
}

/**
 * The original's TRAIN and CLASSIFY in one: the threshold, too, comes from the faces that are learned from.
 * @throws OtherModelError, TooFewClassesError, EvaluationCancelledError
 */
export async function testRecognition(
  store: FaceStore,
  request: RecognitionTestRequest,
  control: JobControl,
  onProgress?: OnProgress,
): Promise<RecognitionTest> {
  const { people, settings } = request;
  const { split, leftOut } = splitPeople(
    people.map(({ name, faces }) => ({ name, items: faces })),
    { ...request, seed: settings.seed },
  );
  const held = split.reduce((sum, { test }) => sum + test.length, 0);
  if (held === 0)
    throw new TooFewClassesError(
      `Nobody has more than ${request.nrofTrainImagesPerClass} faces, so none are left for testing. Use fewer learning faces per person, or enrol more faces.`,
    );
  const learned = await learnPeople(
    store,
    split.map(({ name, train }) => ({ name, faces: train })),
    settings,
    undefined,
    control,
    onProgress,
  );
  const { recognizer, names } = learned;
  const labels = new Map(names.map((name, label) => [name, label]));
  const tested = [
    ...split.flatMap(({ name, test }) => test.map((id) => ({ id, name }))),
    ...leftOut.flatMap(({ name, items }) => items.map((id) => ({ id, name }))),
  ].map(({ id, name }) => ({ face: store.all([id])[0]!, name, actual: labels.get(name) }));
  const results = await inSlices(
    (function* () {
      const found = [];
      for (const { face } of tested) {
        found.push(recognize(recognizer, face.embedding));
        yield found.length / tested.length;
      }
      return found;
    })(),
    control,
  );
  const rows = tested.map((one, index) => ({ ...one, ...results[index]! }));
  const known = rows.filter(({ actual }) => actual !== undefined);
  const strangers = rows.filter(({ actual }) => actual === undefined);
  const right = known.filter(({ actual, label }) => actual === label).length;
  const unknown = known.filter(({ label }) => label === undefined).length;
  return {
    threshold: recognizer.threshold,
    people: names.length,
    trainFaces: learned.faces.length,
    testFaces: known.length,
    right,
    wrong: known.length - right - unknown,
    unknown,
    strangers: strangers.length,
    strangersAccepted: strangers.filter(({ label }) => label !== undefined).length,
    accuracy: right / known.length,
    names,
    confusion: confusionMatrix(
      rows.map(({ actual }) => actual),
      rows.map(({ label }) => label),
      names.length,
    ),
    mistakes: rows
      .filter(({ actual, label }) => actual !== label)
      .sort((a, b) => a.distance - b.distance)
      .slice(0, MISTAKES_TOLD)
      .map(({ face, name, label, distance }) => ({
        id: face.found.id,
        actual: name,
        predicted: label === undefined ? undefined : names[label],
        distance,
      })),
  };
}

/** The terminal's classifier file. @throws OtherModelError, TooFewClassesError, EvaluationCancelledError */
export async function buildClassifier(
  store: FaceStore,
  people: readonly EnrolledPerson[],
  seed: number,
  control: JobControl,
): Promise<string> {
  const { gallery, faces, names } = openGallery(store, people, undefined);
  requireTwo(names);
  const svm = await inSlices(linearSvmTraining(gallery, names.length, { seed }), control);
  return encodeClassifier({ classNames: names, modelName: faces[0]!.modelName, svm });
}
