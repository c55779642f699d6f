/** The original's classifier: people by name, learned from aligned faces with a linear support vector machine. */
import { readClasses, type DatasetClass, type ImageFile } from '../../files/classes.ts';
import { openDirectories } from '../../files/open.ts';
import { classProbabilities, trainLinearSvm } from '../../evaluation/recognition/linear_svm.ts';
import { splitPeople } from '../../evaluation/recognition/split_people.ts';
import { ClassifierFileError, decodeClassifier, encodeClassifier } from '../../formats/classifier_file.ts';
import type { LoadedModel } from '../../models/loaded_model.ts';
import type { ClassifyRequest, ClassifySummary, ClassPrediction } from '../../protocol/use/classify.ts';
import type { EvaluationProgress } from '../../protocol/evaluate/evaluate.ts';
import type { EmbedderFactory } from '../../compute/executor.ts';
import { embedDataset, type LabelledImage } from '../models/embed_job.ts';
import type { ReadImage } from '../embed.ts';
import { TooFewClassesError } from '../errors.ts';
import type { JobControl } from '../../protocol/job_control.ts';

type ClassifySettings = Omit<ClassifyRequest, 'model' | 'backend'>;

/**
 * @throws NoImagesError, TooFewClassesError, ClassifierFileError, EvaluationCancelledError, PermissionLostError, and
 *   what the executor throws
 */
export async function classify(
  loaded: LoadedModel,
  request: ClassifySettings,
  createEmbedder: EmbedderFactory,
  control: JobControl,
  onProgress?: (progress: EvaluationProgress) => void,
  read?: ReadImage,
): Promise<ClassifySummary> {
  const model = { ...loaded, imageSize: request.image_size ?? loaded.imageSize };
  // What is wrong with the file shows before an image is read.
  const classifier = request.mode === 'CLASSIFY' ? decodeClassifier(request.classifier ?? '') : undefined;
  if (classifier && classifier.svm.dimension !== model.graph.embeddingSize)
    throw new ClassifierFileError(
      `it needs embeddings of ${classifier.svm.dimension} values, but those of the model ${model.name} have ${model.graph.embeddingSize}; it was trained with ${classifier.modelName}`,
    );
  const directories = await openDirectories(request.images);
  const { classes, skipped } = await readClasses(directories, undefined, control.signal);
  const chosen = chooseImages(classes, request);
  if (chosen.length < (request.mode === 'TRAIN' ? 2 : 1))
    throw new TooFewClassesError(
      `${chosen.length} of ${classes.length} people have enough photos, but ${request.mode} needs at least ${request.mode === 'TRAIN' ? 'two' : 'one'}. Use a smaller min_nrof_images_per_class, or add photos.`,
    );
  const embedded = await embedDataset(
    model,
    chosen.flatMap(({ images }, label) => images.map((file): LabelledImage => ({ file, label }))),
    request.batch_size,
    createEmbedder,
    control,
    onProgress,
    read,
  );
  const counts = {
    classCount: chosen.length,
    imageCount: embedded.images.length,
    failures: embedded.failures,
    skipped,
  };
  if (!classifier) {
    const labels = embedded.images.map(({ label }) => label);
    // A class none of whose photos can be read has nothing to be learned from.
    const present = [...new Set(labels)].sort((a, b) => a - b);
    if (present.length < 2)
      throw new TooFewClassesError(
        `Photos of only ${present.length} people could be read, but at least two people are needed.`,
      );
    const svm = trainLinearSvm(
      { ...embedded, labels: labels.map((label) => present.indexOf(label)) },
      present.length,
      { seed: request.seed },
    );
    const classNames = present.map((label) => chosen[label]!.name);
    return { ...counts, classifier: encodeClassifier({ classNames, modelName: model.name, svm }) };
  }
  const probabilities = classProbabilities(classifier.svm, embedded.embeddings);
  const { classNames } = classifier;
  const predictions = embedded.images.map(({ file, label }, row): ClassPrediction => {
    const values = probabilities.subarray(row * classNames.length, (row + 1) * classNames.length);
    const best = values.indexOf(Math.max(...values));
    return {
      path: file.path,
      actual: chosen[label]!.name,
      predicted: classNames[best]!,
      probability: values[best]!,
    };
  });
  return { ...counts, predictions, ...measure(predictions, new Set(classNames)) };
}

/** As the original: shuffled, the first ones train and the others test; small classes are left out. */
function chooseImages(
  classes: readonly DatasetClass[],
  { mode, split, seed }: ClassifySettings,
): { name: string; images: readonly ImageFile[] }[] {
  if (!split) return classes.map(({ name, images }) => ({ name, images }));
  const people = classes.map(({ name, images }) => ({ name, items: images }));
  return splitPeople(people, { ...split, seed })
    .split.map(({ name, train, test }) => ({ name, images: mode === 'TRAIN' ? train : test }))
    .filter(({ images }) => images.length > 0);
}

function measure(
  predictions: readonly ClassPrediction[],
  known: ReadonlySet<string>,
): Pick<ClassifySummary, 'accuracy' | 'mistakes'> {
  const counted = predictions.filter(({ actual }) => known.has(actual));
  const right = counted.filter(({ actual, predicted }) => actual === predicted).length;
  const mistakes = new Map<string, { actual: string; predicted: string; count: number }>();
  for (const { actual, predicted } of counted) {
    if (actual === predicted) continue;
    const key = JSON.stringify([actual, predicted]);
    const mistake = mistakes.get(key);
    if (mistake) mistake.count++;
    else mistakes.set(key, { actual, predicted, count: 1 });
  }
  return {
    accuracy: right / counted.length,
    mistakes: [...mistakes.values()].sort((a, b) => b.count - a.count),
  };
}
