/** The files of a model in each format that others read. The model itself comes last. */
import { onnxModelParts, type OnnxOptions } from './onnx_model.ts';
import { safetensorsBlob, type WeightFormat } from '../formats/safetensors.ts';
import type { ExportedFile } from './tfjs_graph_model.ts';
import type { HostTensor } from '../protocol/tensor.ts';
import { safeFileName } from '../protocol/escape_text.ts';
import type { ExportRequest } from '../protocol/models/export.ts';
import { withoutClassNames } from './class_names.ts';
import type { LoadedModel } from './loaded_model.ts';
import { encodeMetadata, type ModelMetadata } from './metadata.ts';
import { metadataOf, MODEL_FILE_EXTENSION, modelFileName } from './model_file.ts';
import { facenetPytorchNames } from './names/facenet_pytorch.ts';
import { toForeign } from './names/name_table.ts';
import { tfjsModelFiles } from './tfjs_model.ts';

export class NoPytorchModelError extends Error {
  override name = 'NoPytorchModelError';
  constructor(modelDef: string) {
    super(
      `facenet-pytorch has no ${modelDef}, only inception_resnet_v1. Export this model as safetensors with the original’s names, or as onnx.`,
    );
  }
}

export type ExportSettings = Omit<ExportRequest, 'model' | 'output'>;

/** @throws NoPytorchModelError, Float16RangeError */
export function modelFiles(model: LoadedModel, settings: ExportSettings): ExportedFile[] {
  const weightFormat: WeightFormat = settings.dtype ?? 'float32';
  const metadata = encodeMetadata(exportedMetadata(model, settings));
  switch (settings.format) {
    case 'tfjs':
      return tfjsModelFiles(model, weightFormat, metadata);
    case 'onnx': {
      const parts = onnxModelParts(
        model.graph,
        model.parameters,
        model.imageSize,
        metadata,
        onnxOptions(model, settings),
      );
      return [{ path: fileName(model, '.onnx'), content: new Blob(parts) }];
    }
    case 'safetensors':
      return [
        {
          path: fileName(model, MODEL_FILE_EXTENSION),
          content: safetensorsBlob(model.parameters, metadata, weightFormat),
        },
      ];
    case 'safetensors-pytorch':
      return [
        {
          path: fileName(model, `-pytorch${MODEL_FILE_EXTENSION}`),
          // Not this program's metadata, which would say that the names are the original's.
          content: safetensorsBlob(pytorchTensors(model), pytorchMetadata(model), weightFormat),
        },
      ];
  }
}

/** Without the names of the people, unless they are asked for. */
export function exportedMetadata(
  model: LoadedModel,
  { includeClassNames }: Pick<ExportSettings, 'includeClassNames'>,
): ModelMetadata {
  const metadata = metadataOf(model);
  return includeClassNames ? metadata : withoutClassNames(metadata);
}

/** What the state dict does not tell, and whoever uses it must know. */
function pytorchMetadata(model: LoadedModel): Record<string, string> {
  return {
    format: 'pt',
    image_size: String(model.imageSize),
    use_fixed_image_standardization: String(model.useFixedImageStandardization),
  };
}

export function onnxOptions(model: LoadedModel, settings: ExportSettings): OnnxOptions {
  return {
    weightFormat: settings.dtype ?? 'float32',
    inputLayout: settings.inputLayout ?? 'nhwc',
    standardization: !settings.includeStandardization
      ? undefined
      : model.useFixedImageStandardization
        ? 'fixed'
        : 'per_image',
  };
}

function fileName({ name, metadata }: LoadedModel, ending: string): string {
  const stem =
    metadata?.run !== undefined && metadata.step !== undefined
      ? modelFileName(metadata.run, metadata.step).slice(0, -MODEL_FILE_EXTENSION.length)
      : name;
  return `${safeFileName(stem)}${ending}`;
}

/**
 * facenet-pytorch's state dict, in the order of the network; each gamma is one.
 * @throws NoPytorchModelError
 */
export function pytorchTensors(model: LoadedModel): Map<string, HostTensor> {
  const { tensors, gammas } = facenetPytorchNames(model.graph);
  if (tensors.size === 0) throw new NoPytorchModelError(model.graph.name);
  const result = new Map<string, HostTensor>();
  for (const [parameter, { name, layout }] of tensors) {
    const tensor = model.parameters.get(parameter);
    // Only the classifier may be missing.
    if (!tensor) continue;
    const gamma = gammas.get(parameter);
    if (gamma !== undefined)
      result.set(gamma, { shape: tensor.shape, data: new Float32Array(tensor.data.length).fill(1) });
    result.set(name, toForeign(tensor, layout));
  }
  return result;
}
