/** Models for other programs. */
import type { AlignOutput } from '../align/align.ts';
import type { ModelReference, RunWeights } from './models.ts';

/** `safetensors` with the original's names, `safetensors-pytorch` with facenet-pytorch's. */
export type ExportFormat = 'tfjs' | 'onnx' | 'safetensors' | 'safetensors-pytorch';

export interface ExportRequest {
  readonly model: ModelReference;
  /** tfjs and onnx get their batch norms folded into the convolutions; safetensors keeps all variables. */
  readonly format: ExportFormat;
  /** How weights are stored; default float32. float16 halves the files, and readers compute with float32. */
  readonly dtype?: 'float32' | 'float16' | undefined;
  /** Of onnx: [N, S, S, 3], the default, or [N, 3, S, S]. */
  readonly inputLayout?: 'nhwc' | 'nchw' | undefined;
  /** Of onnx: the model standardises by itself, its input are values 0 … 255. Default: false. */
  readonly includeStandardization?: boolean | undefined;
  /** The names of the people that the model was trained on go with it. Default: false. */
  readonly includeClassNames?: boolean | undefined;
  /** What the files say that the model takes, pixels; default: the model's own. */
  readonly imageSize?: number | undefined;
  /** For the model card: under which licence the model may be used. */
  readonly license?: string | undefined;
  readonly output: AlignOutput;
}

export interface ExportProgress {
  readonly phase: 'loading' | 'writing' | 'verifying' | 'packing';
  /** Bytes; both 0 where a phase cannot say. */
  readonly done: number;
  readonly total: number;
}

/** How the written files were held against the model. */
export interface ExportVerification {
  /** The program that made embeddings with the files. This program's own reader takes the weights, and nothing else. */
  readonly by: 'onnxruntime-web' | 'TensorFlow.js' | 'own reader';
  /** The program that should have run the files, and could not start or had not the memory. */
  readonly notRun?: { readonly program: string; readonly reason: string } | undefined;
  /** Largest absolute difference of the embeddings between the model and the export, over test images. */
  readonly maxAbsError: number;
}

export interface ExportSummary {
  readonly files: readonly { readonly path: string; readonly sizeBytes: number }[];
  readonly verification: ExportVerification;
  /** What of a run was exported. */
  readonly weights?: RunWeights | undefined;
  /** How the model is used: the card's example, in the language of the format's readers. */
  readonly snippet: string;
}
