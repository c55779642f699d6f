/** train.worker: training, evaluation, export, and what else needs a network. */
import type { JobControl } from '../job_control.ts';
import type { ClassifyRequest, ClassifySummary } from '../use/classify.ts';
import type { CompareRequest, CompareResult } from '../use/compare.ts';
import type { ConformanceReport, ConformanceRequest } from './conformance.ts';
import type { DeviceInfo } from '../device.ts';
import type { DistanceTable, DistanceTableRequest, EmbedRequest, EmbedSummary } from '../models/embed.ts';
import type { EvaluateRequest, EvaluationProgress, ModelEvaluationResult } from '../evaluate/evaluate.ts';
import type { ExportProgress, ExportRequest, ExportSummary } from '../models/export.ts';
import type {
  ForeignModelReference,
  ImportReport,
  ModelDescription,
  ModelReference,
  StoredModel,
} from '../models/models.ts';
import type { TrainEvent, TrainRequest, TrainSummary } from './train.ts';

export interface TrainWorkerApi {
  describeDevice(): Promise<DeviceInfo>;
  /**
   * Pausing the control writes a checkpoint, then waits; cancelling it writes a checkpoint and ends the run as
   * 'stopped'.
   */
  train(
    request: TrainRequest,
    control: JobControl,
    onEvent: (event: TrainEvent) => void,
  ): Promise<TrainSummary>;
  evaluate(
    request: EvaluateRequest,
    control: JobControl,
    onProgress?: (progress: EvaluationProgress) => void,
  ): Promise<ModelEvaluationResult>;
  exportModel(
    request: ExportRequest,
    control: JobControl,
    onProgress?: (progress: ExportProgress) => void,
  ): Promise<ExportSummary>;
  /** Takes a model file into this browser's storage. @throws as loading it does; nothing is kept when it is stopped */
  importModel(model: ForeignModelReference, control: JobControl): Promise<StoredModel>;
  /** What of a model file maps to a network, before it is taken. */
  inspectModel(model: ForeignModelReference, control: JobControl): Promise<ImportReport>;
  /** What a person should know of a model before it is used. @throws StandardizationUnknownError where nobody says it */
  describeModel(model: Exclude<ModelReference, { kind: 'run' }>): Promise<ModelDescription>;
  makeDistanceTable(
    request: DistanceTableRequest,
    control: JobControl,
    onProgress?: (progress: EvaluationProgress) => void,
  ): Promise<DistanceTable>;
  embedFolder(
    request: EmbedRequest,
    control: JobControl,
    onProgress?: (progress: EvaluationProgress) => void,
  ): Promise<EmbedSummary>;
  compare(request: CompareRequest, control: JobControl): Promise<CompareResult>;
  classify(
    request: ClassifyRequest,
    control: JobControl,
    onProgress?: (progress: EvaluationProgress) => void,
  ): Promise<ClassifySummary>;
  conformance(request: ConformanceRequest, onMessage?: (message: string) => void): Promise<ConformanceReport>;
}
