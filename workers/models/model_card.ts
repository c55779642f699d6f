/** The text that goes with an exported model: what it is, how it was trained, how to use it. */
import { TRAINING_OPTIONS } from '../training/options.ts';
import type { ExportFormat } from '../protocol.ts';
import type { LoadedModel } from './loaded_model.ts';
import { metadataOf } from './model_file.ts';

export const MODEL_CARD = 'model_card.md';

/** @param fileName of the model in the export */
export function modelCard(model: LoadedModel, format: ExportFormat, fileName: string): string {
  const { imageSize: size, graph } = model;
  return `# ${model.name}

A face embedding model: ${graph.name}, ${graph.embeddingSize} values an embedding, l2-normalised. The distance of two
embeddings says how alike two faces are.

Input: an aligned face, ${size} × ${size} pixels, RGB, standardised as ${standardization(model)}.

## Training
${trainingLines(model).join('\n')}

## Use
${format === 'tfjs' ? tfjsSnippet(model, fileName) : safetensorsSnippet(fileName)}
## Licence
(to be filled in by who publishes it)
`;
}

function standardization({ useFixedImageStandardization: fixed }: LoadedModel): string {
  return fixed ? '(p − 127.5)/128' : '(p − mean)/max(deviation, 1/√N) over all N values of the image';
}

function trainingLines(model: LoadedModel): string[] {
  const { run, step, epoch, dataset, image_count: images, class_names: classes, options } = metadataOf(model);
  const facts = [
    run === undefined ? undefined : `run ${run}`,
    step === undefined ? undefined : `${step} steps${epoch === undefined ? '' : `, ${epoch} epochs`}`,
    dataset === undefined ? undefined : `dataset “${dataset}”`,
    images === undefined ? undefined : `${images} images`,
    classes === undefined ? undefined : `${classes.length} people`,
  ].filter((fact) => fact !== undefined);
  const settings = TRAINING_OPTIONS.filter(({ name }) => options?.[name] !== undefined).map(
    ({ name }) => `    ${name}: ${String(options?.[name]).trim().replaceAll('\n', ' | ')}`,
  );
  return [
    facts.length > 0 ? `${facts.join('; ')}.` : 'Not known: the model came without this information.',
    ...(settings.length > 0 ? ['', 'Settings:', '', ...settings] : []),
  ];
}

function tfjsSnippet(
  { imageSize: size, useFixedImageStandardization: fixed }: LoadedModel,
  fileName: string,
): string {
  const standardize = fixed
    ? '  const input = pixels.sub(127.5).div(128);'
    : `  const { mean, variance } = tf.moments(pixels);
  const input = pixels.sub(mean).div(tf.maximum(variance.sqrt(), 1 / Math.sqrt(pixels.size)));`;
  return `\`\`\`js
import * as tf from '@tensorflow/tfjs';

const model = await tf.loadGraphModel('${fileName}');
const embedding = tf.tidy(() => {
  const pixels = tf.browser.fromPixels(image).resizeBilinear([${size}, ${size}]).toFloat();
${standardize}
  return model.predict(input.expandDims());
});
\`\`\`

Batch norms are folded into the convolutions; the batch size is free.
`;
}

function safetensorsSnippet(fileName: string): string {
  return `\`\`\`python
from safetensors.numpy import load_file

variables = load_file("${fileName}")  # the original's TensorFlow variable names, moving statistics included
\`\`\`

Convolution weights are [height, width, in, out], dense weights [in, out]; batch norms have no gamma and ε = 0.001.
`;
}
