/** The text that goes with an exported model: what it is, how it was trained, how to use it. */
import { TRAINING_OPTIONS } from '../training/options.ts';
import type { LoadedModel } from './loaded_model.ts';
import { onnxOptions, type ExportSettings } from './export_files.ts';
import type { ModelEvaluation, ModelMetadata } from './metadata.ts';
import { metadataOf } from './model_file.ts';

export const MODEL_CARD = 'model_card.md';

/** @param fileName of the model in the export */
export function modelCard(model: LoadedModel, settings: ExportSettings, fileName: string): string {
  const { imageSize: size, graph } = model;
  return `# ${model.name}

A face embedding model: ${graph.name}, ${graph.embeddingSize} values an embedding, l2-normalised. The distance of two
embeddings says how alike two faces are.

Input: an aligned face, ${size} × ${size} pixels, RGB, standardised as ${standardization(model)}.

## Training
${trainingLines(model).join('\n')}

## Evaluation
${evaluationLines(model).join('\n')}

## Use
${snippetText(snippetOf(model, settings, fileName))}${settings.dtype === 'float16' ? FLOAT16_NOTE : ''}
## Licence
${settings.license?.trim() || '(to be filled in by who publishes it)'}
`;
}

function evaluationLines(model: LoadedModel): string[] {
  const { evaluations = [] } = metadataOf(model);
  if (evaluations.length === 0) return ['Not evaluated.'];
  return [
    'As on LFW: mean ± deviation over the folds; VAL is the share of one person’s pairs that is accepted at the FAR.',
    '',
    '| images | pairs | step | values | accuracy | VAL | FAR | AUC | EER |',
    '| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: |',
    ...evaluations.map(
      (one) =>
        `| ${one.images.replaceAll('|', '/')} | ${one.pairs} | ${one.step ?? ''} | ${evaluatedValues(one)} | ${one.accuracy.toFixed(4)} ± ${one.accuracyStd.toFixed(4)} | ${one.val.toFixed(4)} ± ${one.valStd.toFixed(4)} | ${one.far.toFixed(5)} | ${one.auc.toFixed(4)} | ${one.eer.toFixed(4)} |`,
    ),
  ];
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
  const { class_names: classes, options } = metadata;
  const facts = [
    run === undefined ? undefined : `run ${run}`,
    step === undefined ? undefined : `${step} steps${epoch === undefined ? '' : `, ${epoch} epochs`}`,
    best === undefined
      ? undefined
      : `the best of the run’s measured models, by ${best === 'pairs' ? 'the accuracy on pairs' : 'the validation'}`,
    dataset === undefined ? undefined : `dataset “${dataset}”`,
    images === undefined ? undefined : `${images} images`,
    classes === undefined ? undefined : `${classes.length} people`,
  ].filter((fact) => fact !== undefined);
  const settings = TRAINING_OPTIONS.filter(({ name }) => options?.[name] !== undefined).map(
    ({ name }) => `    ${name}: ${String(options?.[name]).trim().replaceAll('\n', ' | ')}`,
  );
  return [
    facts.length > 0 ? `${facts.join('; ')}.` : 'Not known: the model came without this information.',
    ...valuesLines(metadata),
    ...(settings.length > 0 ? ['', 'Settings:', '', ...settings] : []),
  ];
}

/** Of a model that could be of either. */
function valuesLines({ moving_averages: areAverages, options }: ModelMetadata): string[] {
  const decay = options?.moving_average_decay ?? 0;
  if (areAverages)
    return [
      `Its values are the exponential moving averages of the trained variables${decay > 0 ? ` (decay ${decay})` : ''}.`,
    ];
  return decay > 0 ? ['Its values are the trained variables themselves, not their moving averages.'] : [];
}

const FLOAT16_NOTE = `
Weights are stored as float16, biases and moving statistics as float32; computations are in float32.
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
  const standardize =
    inside !== undefined
      ? ''
      : fixed
        ? 'pixels = (pixels - 127.5) / 128\n'
        : 'pixels = (pixels - pixels.mean()) / max(pixels.std(), 1 / np.sqrt(pixels.size))\n';
  return {
    language: 'python',
    code: `import numpy as np, onnxruntime
from PIL import Image

image = Image.open("face.png").convert("RGB").resize((${size}, ${size}))
pixels = np.asarray(image, np.float32)
${standardize}${inputLayout === 'nchw' ? 'pixels = pixels.transpose(2, 0, 1)\n' : ''}session = onnxruntime.InferenceSession("${fileName}")
(embeddings,) = session.run(["embeddings"], {"input": pixels[None]})`,
    note: `The input is [N, ${inputLayout === 'nhwc' ? `${size}, ${size}, 3` : `3, ${size}, ${size}`}], ${inside === undefined ? 'standardised as above' : 'values 0 … 255; the model standardises them itself'}. Batch norms are folded into the convolutions; the
batch size is free.`,
  };
}

function pytorchSnippet({ imageSize: size }: LoadedModel, fileName: string): Snippet {
  return {
    language: 'python',
    note: '',
    code: `from facenet_pytorch import InceptionResnetV1
from safetensors.torch import load_file

model = InceptionResnetV1()
state = {name: tensor.float() for name, tensor in load_file("${fileName}").items()}
model.last_linear = type(model.last_linear)(1792, state["last_linear.weight"].shape[0], bias=False)
model.last_bn = type(model.last_bn)(state["last_bn.bias"].shape[0], eps=0.001)
model.load_state_dict({n: t for n, t in state.items() if not n.startswith("logits.")}, strict=False)
embeddings = model.eval()(images)  # [N, 3, ${size}, ${size}], standardised as above`,
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

const model = await tf.loadGraphModel('${fileName}');
const embedding = tf.tidy(() => {
  const pixels = tf.browser.fromPixels(image).resizeBilinear([${size}, ${size}]).toFloat();
${standardize}
  return model.predict(input.expandDims());
});`,
    note: 'Batch norms are folded into the convolutions; the batch size is free.',
  };
}

function safetensorsSnippet(fileName: string): Snippet {
  return {
    language: 'python',
    code: `from safetensors.numpy import load_file

variables = load_file("${fileName}")  # the original's TensorFlow variable names, moving statistics included`,
    note: 'Convolution weights are [height, width, in, out], dense weights [in, out]; batch norms have no gamma and ε = 0.001.',
  };
}
