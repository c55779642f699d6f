/**
 * identify.worker: faces on photos as taken, compared and named. Embeddings stay in the worker: the page knows faces by
 * their ids.
 */
import type { JobControl } from '../job_control.ts';
import type { DirectoryReference } from '../data/directories.ts';
import type { DetectedFace } from '../align/align.ts';
import type { BackendName } from '../device.ts';
import type { ModelReference } from '../models/models.ts';

export interface OpenModelRequest {
  readonly model: ModelReference;
  /** The same key means the same model: it is not loaded again. */
  readonly key: string;
  readonly backend?: BackendName | undefined;
}

export interface OpenedModel {
  readonly name: string;
  /** Of the network's values: embeddings of models with other fingerprints cannot be compared. */
  readonly fingerprint: string;
  readonly embeddingSize: number;
  /** Pixels. */
  readonly imageSize: number;
}

export type FacePhotos =
  | { readonly kind: 'files'; readonly files: readonly File[] }
  /** One subfolder per person. */
  | { readonly kind: 'folders'; readonly folders: readonly DirectoryReference[] };

export interface FindFacesRequest {
  readonly photos: FacePhotos;
  /** The photos are aligned faces, as alignment writes them: nothing is searched, their centre is taken. */
  readonly areAligned: boolean;
  /** Of several faces on a photo: the one that alignment keeps, or all of them. */
  readonly faces: 'main' | 'all';
  /** Around the face, pixels of the photo, both sides together. */
  readonly margin: number;
}

export interface FoundFace {
  readonly id: number;
  /** The photo's name, or its path below its folder. */
  readonly photo: string;
  /** Its place in `files`; in the order of people and names for folders. */
  readonly photoIndex: number;
  /** The photo's folder; empty for files. */
  readonly person: string;
  /** From 1, and how many the photo has. */
  readonly number: number;
  readonly faceCount: number;
  /** What the network sees of it, small. */
  readonly picture: Blob;
}

export interface FaceFailure {
  readonly photo: string;
  readonly photoIndex: number;
  /** One sentence for the person. */
  readonly message: string;
}

export type FindFacesEvent =
  | { readonly kind: 'faces'; readonly faces: readonly FoundFace[] }
  | { readonly kind: 'failures'; readonly failures: readonly FaceFailure[] }
  | { readonly kind: 'progress'; readonly done: number; readonly total: number };

/** Who is enrolled: a name, and the ids of the faces. */
export interface EnrolledPerson {
  readonly name: string;
  readonly faces: readonly number[];
}

export interface RecognitionSettings {
  /** The k nearest faces vote, or the linear support vector machine of the original's classifier. */
  readonly method: 'nearest' | 'svm';
  readonly k: number;
  /** How often a stranger may be taken for one of the people; the threshold follows. */
  readonly falseAcceptRate: number;
  /** Euclidean; used in place of the one that follows from the rate. */
  readonly threshold?: number | undefined;
  readonly seed: number;
}

/** Shares of 0 … 1; NaN where there is nothing to measure them on. */
export interface RecognitionRates {
  /** Euclidean distance. */
  readonly threshold: number;
  readonly falseAcceptRate: number;
  readonly falseRejectRate: number;
}

export interface Recognition {
  /** What is used: Euclidean; a face is somebody's when it is closer than this. */
  readonly threshold: number;
  readonly atThreshold: RecognitionRates;
  /** Along the thresholds, for a chart. */
  readonly curve: readonly RecognitionRates[];
  /** For some false accept rates, the strictest first. */
  readonly table: readonly (RecognitionRates & { readonly target: number })[];
  /** On how many faces the rates were measured. */
  readonly acceptFaces: number;
  readonly rejectFaces: number;
}

export interface IdentifiedFace {
  readonly id: number;
  /** Undefined: nobody that is known. */
  readonly person: string | undefined;
  /** Euclidean, to the nearest face of the person; of the nearest of all for nobody. */
  readonly distance: number;
  /** Of the support vector machine, for its choice. */
  readonly probability?: number | undefined;
  /** The nearest enrolled faces, the nearest first. */
  readonly nearest: readonly { readonly id: number; readonly person: string; readonly distance: number }[];
}

/** A face on a picture of the camera, in its pixels. */
export interface FrameFace {
  readonly box: DetectedFace['box'];
  readonly person: string | undefined;
  readonly distance: number;
}

export interface RecognitionTestRequest {
  readonly people: readonly EnrolledPerson[];
  readonly settings: RecognitionSettings;
  /** As the original's classifier: so many faces of each person are learned from, the others are named. */
  readonly nrofTrainImagesPerClass: number;
  /** People with fewer are left out of the learning: their faces are those of strangers. */
  readonly minNrofImagesPerClass: number;
}

export interface RecognitionTest {
  readonly threshold: number;
  /** People and faces that were learned from, and faces that were named. */
  readonly people: number;
  readonly trainFaces: number;
  readonly testFaces: number;
  readonly right: number;
  /** Taken for somebody else. */
  readonly wrong: number;
  /** Of somebody who is known, and taken for nobody. */
  readonly unknown: number;
  /** Faces of people who were left out, and how many of them were taken for somebody. */
  readonly strangers: number;
  readonly strangersAccepted: number;
  /** right / testFaces; NaN without any */
  readonly accuracy: number;
  /** A row and a column a person, in this order; the last column is nobody, the last row strangers. */
  readonly names: readonly string[];
  readonly confusion: readonly (readonly number[])[];
  /** The worst first: the closest to the wrong person. */
  readonly mistakes: readonly {
    readonly id: number;
    readonly actual: string;
    readonly predicted: string | undefined;
    readonly distance: number;
  }[];
}

/** People that are kept in this browser. */
export interface KeptGallery {
  readonly id: string;
  readonly keptAt: number;
  readonly people: number;
  readonly faces: number;
  readonly modelName: string;
  readonly fingerprint: string;
  readonly sizeBytes: number;
}

export interface OpenedGallery {
  readonly modelName: string;
  readonly fingerprint: string;
  readonly faces: readonly FoundFace[];
}

export interface IdentifyWorkerApi {
  /** @throws the errors of loading a model */
  openModel(request: OpenModelRequest, control: JobControl): Promise<OpenedModel>;
  /** Frees what the model and the detector take; found faces are kept. */
  closeModel(): Promise<void>;
  /** With the model that is open. @throws NoImagesError, EvaluationCancelledError, PermissionLostError */
  findFaces(
    request: FindFacesRequest,
    control: JobControl,
    onEvent: (event: FindFacesEvent) => void,
  ): Promise<void>;
  forgetFaces(ids: readonly number[]): void;
  /** Euclidean, [faces, faces]. @throws OtherModelError */
  distances(ids: readonly number[], control: JobControl): Promise<Float64Array>;
  /** Who may be recognised from now on, and how. @throws OtherModelError, TooFewClassesError */
  learn(
    people: readonly EnrolledPerson[],
    settings: RecognitionSettings,
    control: JobControl,
    onProgress?: (done: number, total: number) => void,
  ): Promise<Recognition>;
  /** By what was learned. */
  identify(ids: readonly number[]): IdentifiedFace[];
  /** The frame is used up; nothing of it is kept. */
  identifyFrame(frame: ImageBitmap, margin: number): Promise<FrameFace[]>;
  /** Learns from a part and names the rest; what was learned before stays. @throws TooFewClassesError */
  test(
    request: RecognitionTestRequest,
    control: JobControl,
    onProgress?: (done: number, total: number) => void,
  ): Promise<RecognitionTest>;
  /** A file for `facenet classify CLASSIFY`. @throws TooFewClassesError */
  buildClassifier(people: readonly EnrolledPerson[], seed: number, control: JobControl): Promise<Blob>;
  buildGallery(people: readonly EnrolledPerson[], withPictures: boolean): Promise<Blob>;
  /** @throws GalleryFileError */
  openGallery(file: Blob): Promise<OpenedGallery>;
  keepGallery(people: readonly EnrolledPerson[], withPictures: boolean): Promise<KeptGallery>;
  /** @throws GalleryFileError */
  openKeptGallery(id: string): Promise<OpenedGallery>;
}
