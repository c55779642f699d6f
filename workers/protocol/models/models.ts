/** Models, wherever they are: runs, files, and those that were brought in. */
import type { DirectoryReference } from '../data/directories.ts';
import type { BestModel } from '../train/runs.ts';
import type { ImageStandardization, StandardizationFact } from './standardization.ts';

/** A model to evaluate, export or start from. */
export type ModelReference = ModelPlace & {
  /** In place of what the model says; needed where it says nothing. */
  readonly standardization?: ImageStandardization | undefined;
};

/** A model outside of the runs: what an import takes. */
export type ForeignModelReference = Extract<ModelReference, { kind: 'directory' | 'file' }>;

type ModelPlace =
  /** The model that this program brings along: dlib's face recognition network. */
  | { readonly kind: 'starter' }
  | {
      readonly kind: 'run';
      readonly runId: string;
      /** Of which step's checkpoint, or of the best one's; default: the newest. */
      readonly step?: number | 'best' | undefined;
      /** Take the exponential moving averages of the parameters, where the run has them. */
      readonly useMovingAverages?: boolean | undefined;
    }
  /** A folder or a file that holds one of the formats this program reads. */
  | { readonly kind: 'directory'; readonly directory: DirectoryReference; readonly path?: string | undefined }
  | { readonly kind: 'file'; readonly file: File };

/** Which of the values that a run holds a model was made of. */
export interface RunWeights {
  readonly step: number;
  /** It was the best of the run's measured models then, by this. */
  readonly bestBy?: BestModel['measuredBy'] | undefined;
  readonly areMovingAverages: boolean;
}

/** What of a foreign file maps to the network's parameters. */
export interface ImportReport {
  readonly file: string;
  /** E.g. `PyTorch state dict`. */
  readonly kind: string;
  /** Whose names they are: `facenet-pytorch`. */
  readonly program: string;
  readonly model_def: string;
  readonly embedding_size: number;
  /** What the model expects; assumed, as the notes say, where the file does not tell. */
  readonly image_size: number;
  /** Undefined where nothing tells it, and a person has to say it. */
  readonly standardization: StandardizationFact | undefined;
  /** The number of the network's parameters. */
  readonly total: number;
  /** The classifier's two are among them where they fit. */
  readonly mapped: readonly { readonly parameter: string; readonly source: string }[];
  readonly missing: readonly string[];
  readonly wrongShapes: readonly {
    readonly parameter: string;
    readonly expected: readonly number[];
    readonly found: readonly number[];
  }[];
  readonly extra: readonly string[];
  /** The number of batch norms whose factor was folded into the layer before. */
  readonly foldedGammas: number;
  readonly notes: readonly string[];
}

/** What a person should know of a model before it is used. */
export interface ModelDescription extends Pick<
  ImportReport,
  'file' | 'kind' | 'program' | 'model_def' | 'embedding_size' | 'image_size' | 'notes'
> {
  readonly standardization: StandardizationFact;
}

/** A model that was brought in and is kept in this browser. */
export interface StoredModel {
  readonly id: string;
  readonly name: string;
  readonly importedAt: number;
  readonly sizeBytes: number;
  readonly model_def: string;
  readonly embedding_size: number;
  readonly image_size: number;
  readonly use_fixed_image_standardization: boolean;
  /** How that is known; nothing in models that earlier versions took, which assumed it. */
  readonly standardization_basis?: string | undefined;
  /** What it came from. */
  readonly origin: Pick<ImportReport, 'file' | 'kind' | 'program' | 'foldedGammas' | 'notes'>;
  readonly reference: ModelReference;
}
