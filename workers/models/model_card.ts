/** The text that goes with an exported model: what it is, how it was trained, how to use it. */
import { javascriptString, lineText, markdownText, pythonString } from '../protocol/escape_text.ts';
import { templateOfSize, type LandmarkAlignment } from '../protocol/align/alignment.ts';
import { TRAINING_OPTIONS } from '../protocol/train/options.ts';
import type { LoadedModel } from './loaded_model.ts';
import { onnxOptions, type ExportSettings } from './export_files.ts';
import type { ModelEvaluation, ModelMetadata } from './metadata.ts';
import type { FaceCrops } from '../protocol/train/runs.ts';
import { metadataOf } from './model_file.ts';

export const MODEL_CARD = 'model_card.md';

/** @param fileName of the model in the export */
export function modelCard(model: LoadedModel, settings: ExportSettings, fileName: string): string {
  const { imageSize: size, graph } = model;
  return `# ${markdownText(model.name)}

A face embedding model: ${graph.name}, ${graph.embeddingSize} values per embedding, ${isNormalized(model) ? 'l2-normalised' : 'not normalised'}. The smaller the
distance between two embeddings, the more similar the faces.

Input: an aligned face, ${size} × ${size} pixels, RGB, standardised as ${standardization(model)}.
With another standardisation the embeddings are wrong, and nothing else shows it.

## Alignment
${alignmentLines(model).join('\n')}

## Training
${trainingLines(model).join('\n')}

## Evaluation
${evaluationLines(model).join('\n')}

## Use
${snippetText(snippetOf(model, settings, fileName))}${settings.dtype === 'float16' ? FLOAT16_NOTE : ''}
## Licence
${licenseText(settings.license?.trim() || model.metadata?.license) || '(not specified; add one before you publish the model)'}
`;
}

function evaluationLines(model: LoadedModel): string[] {
  const { evaluations = [] } = metadataOf(model);
  if (evaluations.length === 0) return ['Not evaluated.'];
  return [
    'Measured as on LFW: mean ± standard deviation over the folds. VAL is the share of same-person pairs that are accepted at the given FAR.',
    '',
    '| images | seen in training | pairs | step | values | accuracy | VAL | FAR | AUC | EER | threshold |',
    '| --- | --- | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...evaluations.map(
      (one) =>
        `| ${markdownText(one.images)} | ${seen(one)} | ${one.pairs} | ${one.step ?? ''} | ${evaluatedValues(one)} | ${one.accuracy.toFixed(4)} ± ${one.accuracyStd.toFixed(4)} | ${one.val.toFixed(4)} ± ${one.valStd.toFixed(4)} | ${one.far.toFixed(5)} | ${one.auc.toFixed(4)} | ${one.eer.toFixed(4)} | ${one.threshold?.toFixed(3) ?? ''} |`,
    ),
    ...(evaluations.some(({ seen_in_training: isSeen }) => isSeen)
      ? [
          '',
          '“yes” means that **the model was trained on these images**, so it will do worse on new people than these figures suggest. Evaluate it on other people before you rely on it.',
        ]
      : []),
    ...thresholdLines(evaluations),
  ];
}

function seen({ seen_in_training: isSeen }: ModelEvaluation): string {
  return isSeen === true ? 'yes' : 'not known';
}

/** What a threshold is a threshold of: it is of no use for other embeddings or another distance. */
function thresholdLines(evaluations: readonly ModelEvaluation[]): string[] {
  const lines = evaluations.flatMap((one) => {
    const { threshold, distance_metric: metric, use_flipped_images: flipped, subtract_mean: centred } = one;
    if (threshold === undefined) return [];
    const distance =
      metric === 1 ? 'angle / π (arccos of the cosine similarity)' : 'squared Euclidean distance';
    const changes = [
      ...(flipped ? ['the embeddings of a face and of its mirror image are concatenated'] : []),
      ...(centred ? ['the mean embedding of the pairs is subtracted from each'] : []),
    ];
    return [
      `- ${markdownText(one.images)}: same person if the ${distance} is below ${threshold.toFixed(3)}${changes.length > 0 ? `, after ${changes.join(' and ')}. Plain embeddings need a different threshold` : ''}.`,
    ];
  });
  return lines.length > 0
    ? ['', 'Thresholds (the average of the best threshold of each fold):', '', ...lines]
    : [];
}

/** How the image that the model takes is cut out of a photo. */
function alignmentLines({ imageSize: size, metadata }: LoadedModel): string[] {
  const crops = metadata?.face_crops;
  const alignment = metadata?.alignment ?? 'box';
  if (alignment !== 'box') return landmarkLines(alignment, size);
  return [
    'The face is found with MTCNN (smallest face 20 pixels, thresholds 0.6, 0.7, 0.7, pyramid factor 0.709). Its box is',
    'widened by a margin in pixels of the photo, half of it on each side, clipped at the photo’s edges, and resized to a',
    'square with an antialiased bilinear filter (Pillow’s BILINEAR). The face is not rotated upright.',
    '',
    ...(crops ? knownCropLines(crops, size) : unknownCropLines(size)),
  ];
}

/** Whether its embeddings have the length 1. */
function isNormalized({ graph }: LoadedModel): boolean {
  return graph.outputs.embeddings !== graph.outputs.prelogits;
}

function landmarkLines(alignment: LandmarkAlignment, size: number): string[] {
  const points = templateOfSize(alignment, size).map(
    (point) => `(${point.map((value) => Number(value.toFixed(4))).join(', ')})`,
  );
  return [
    'The face and its five landmarks are found with MTCNN (smallest face 20 pixels, thresholds 0.6, 0.7, 0.7, pyramid',
    'factor 0.709). A similarity transform (scale, rotation, shift; Umeyama’s least squares) moves the landmarks onto a',
    'template, and the photo is sampled bilinearly along it, black outside. The template, x and y of the left eye, right',
    `eye, nose, left and right corner of the mouth as seen in the picture of ${size} × ${size} pixels:`,
    '',
    `    ${points.join(' ')}`,
    '',
    'Cut faces out for this model with',
    '',
    `    facenet align PHOTOS FACES --alignment ${alignment} --image_size ${size}`,
  ];
}

function knownCropLines({ image_size: cropSize, margin }: FaceCrops, size: number): string[] {
  const isOriginals = cropSize === 182 && margin === 44 && size === 160;
  return [
    `The training faces were cropped with a margin of ${margin} and resized to ${cropSize} × ${cropSize} pixels${cropSize > size ? `, of which the network uses a part of ${size} × ${size}` : ''}.${isOriginals ? ' To evaluate such a network, the original (davidsandberg/facenet) crops faces to 160 × 160 pixels with a margin of 32.' : ''} Crop faces for this model with`,
    '',
    `    facenet align PHOTOS FACES --image_size ${size} --margin ${isOriginals ? 32 : margin}`,
  ];
}

function unknownCropLines(size: number): string[] {
  return [
    `The margin of the training faces is not stored in the model. For networks of 160 × 160 pixels, the original (davidsandberg/facenet) trains on faces of 182 × 182 pixels with a margin of 44, of which the network uses a part of 160 × 160, and evaluates on faces of 160 × 160 with a margin of 32. Crop faces for this model with`,
    '',
    `    facenet align PHOTOS FACES --image_size ${size} --margin 32`,
    '',
    'or with the margin that was used in training, if it was different.',
  ];
}

/** The person's own words; nothing in them that a reader does not see. */
function licenseText(license = ''): string {
  return license.trim().split('\n').map(lineText).join('\n');
}

/** Nothing where it is not known. */
function evaluatedValues({ moving_averages: areAverages }: ModelEvaluation): string {
  return areAverages === undefined ? '' : areAverages ? 'moving averages' : 'variables';
}

function standardization({ useFixedImageStandardization: fixed }: LoadedModel): string {
  return fixed ? '(p − 127.5)/128' : '(p − mean)/max(deviation, 1/√N) over all N values of the image';
}

function trainingLines(model: LoadedModel): string[] {
  const metadata = metadataOf(model);
  const { run, step, epoch, best_by: best, dataset, image_count: images } = metadata;
  const { options } = metadata;
  const people = metadata.class_names?.length ?? metadata.class_count;
  const facts = [
    run === undefined ? undefined : `run ${markdownText(run)}`,
    step === undefined ? undefined : `${step} steps${epoch === undefined ? '' : `, ${epoch} epochs`}`,
    best === undefined
      ? undefined
      : `the run’s checkpoint with the best ${best === 'pairs' ? 'accuracy on pairs' : 'validation accuracy'}`,
    dataset === undefined ? undefined : `dataset “${markdownText(dataset)}”`,
    images === undefined ? undefined : `${images} images`,
    people === undefined ? undefined : `${people} people`,
  ].filter((fact) => fact !== undefined);
  const settings = TRAINING_OPTIONS.filter(({ name }) => options?.[name] !== undefined).map(
    ({ name }) => `    ${name}: ${lineText(String(options?.[name]).trim().replaceAll('\n', ' | '))}`,
  );
  return [
    ...(metadata.origin === undefined ? [] : [`${markdownText(metadata.origin)}.`]),
    facts.length > 0
      ? `${facts.join('; ')}.`
      : metadata.origin !== undefined
        ? ''
        : 'Unknown: the model does not contain this information.',
    ...valuesLines(metadata),
    ...(settings.length > 0 ? ['', 'Settings:', '', ...settings] : []),
  ];
}

/** Of a model that could be of either. */
function valuesLines({ moving_averages: areAverages, options }: ModelMetadata): string[] {
  const decay = options?.moving_average_decay ?? 0;
  if (areAverages)
    return [
      `The weights are the exponential moving averages of the trained variables${decay > 0 ? ` (decay ${decay})` : ''}.`,
    ];
  return decay > 0 ? ['The weights are the trained variables themselves, not their moving averages.'] : [];
}

const FLOAT16_NOTE = `
Weights are stored as float16, biases and moving statistics as float32. Computations are done in float32.
`;

/** An example of how the model is used. */
export interface Snippet {
  readonly language: 'python' | 'js';
  readonly code: string;
  /** What must be known about it. */
  readonly note: string;
}

function snippetText({ language, code, note }: Snippet): string {
  return `\`\`\`${language}\n${code}\n\`\`\`\n${note === '' ? '' : `\n${note}\n`}`;
}

/** @param fileName of the model in the export */
export function snippetOf(model: LoadedModel, settings: ExportSettings, fileName: string): Snippet {
  switch (settings.format) {
    case 'tfjs':
      return tfjsSnippet(model, fileName);
    case 'onnx':
      return onnxSnippet(model, settings, fileName);
    case 'safetensors':
      return safetensorsSnippet(fileName);
    case 'safetensors-pytorch':
      return pytorchSnippet(model, fileName);
  }
}

function onnxSnippet(model: LoadedModel, settings: ExportSettings, fileName: string): Snippet {
  const { imageSize: size, useFixedImageStandardization: fixed } = model;
  const { inputLayout, standardization: inside } = onnxOptions(model, settings);
  const standardize = inside === undefined ? `${pythonStandardization(fixed)}\n` : '';
  return {
    language: 'python',
    code: `import numpy as np, onnxruntime
from PIL import Image

image = Image.open("face.png").convert("RGB").resize((${size}, ${size}))
pixels = np.asarray(image, np.float32)
${standardize}${inputLayout === 'nchw' ? 'pixels = pixels.transpose(2, 0, 1)\n' : ''}session = onnxruntime.InferenceSession(${pythonString(fileName)})
(embeddings,) = session.run(["embeddings"], {"input": pixels[None]})`,
    note: `The input is [N, ${inputLayout === 'nhwc' ? `${size}, ${size}, 3` : `3, ${size}, ${size}`}], ${inside === undefined ? 'standardised as above' : 'pixel values from 0 to 255; the model standardises them itself'}. Batch norm is merged into the convolutions. Any
batch size works.`,
  };
}

function pythonStandardization(isFixed: boolean): string {
  return isFixed
    ? 'pixels = (pixels - 127.5) / 128'
    : 'pixels = (pixels - pixels.mean()) / max(pixels.std(), 1 / np.sqrt(pixels.size))';
}

function pytorchSnippet(
  { imageSize: size, useFixedImageStandardization: fixed }: LoadedModel,
  fileName: string,
): Snippet {
  return {
    language: 'python',
    note: '',
    code: `import numpy as np, torch
from PIL import Image
from facenet_pytorch import InceptionResnetV1
from safetensors.torch import load_file

model = InceptionResnetV1()
state = {name: tensor.float() for name, tensor in load_file(${pythonString(fileName)}).items()}
model.last_linear = type(model.last_linear)(1792, state["last_linear.weight"].shape[0], bias=False)
model.last_bn = type(model.last_bn)(state["last_bn.bias"].shape[0], eps=0.001)
model.load_state_dict({n: t for n, t in state.items() if not n.startswith("logits.")}, strict=False)
pixels = np.asarray(Image.open("face.png").convert("RGB").resize((${size}, ${size})), np.float32)
${pythonStandardization(fixed)}
embeddings = model.eval()(torch.tensor(pixels.transpose(2, 0, 1)[None]))`,
  };
}

function tfjsSnippet(
  { imageSize: size, useFixedImageStandardization: fixed }: LoadedModel,
  fileName: string,
): Snippet {
  const standardize = fixed
    ? '  const input = pixels.sub(127.5).div(128);'
    : `  const { mean, variance } = tf.moments(pixels);
  const input = pixels.sub(mean).div(tf.maximum(variance.sqrt(), 1 / Math.sqrt(pixels.size)));`;
  return {
    language: 'js',
    code: `import * as tf from '@tensorflow/tfjs';

const model = await tf.loadGraphModel(${javascriptString(fileName)});
const embedding = tf.tidy(() => {
  const pixels = tf.browser.fromPixels(image).resizeBilinear([${size}, ${size}]).toFloat();
${standardize}
  return model.predict(input.expandDims());
});`,
    note: 'Batch norm is merged into the convolutions. Any batch size works.',
  };
}

function safetensorsSnippet(fileName: string): Snippet {
  return {
    language: 'python',
    code: `from safetensors.numpy import load_file

variables = load_file(${pythonString(fileName)})  # the original's TensorFlow variable names, moving statistics included`,
    note: 'Convolution weights are [height, width, in, out], dense weights [in, out]. Batch norm has no gamma, and ε = 0.001.',
  };
}
