/** train.worker: training, evaluation, export, and what else needs a network. */
import type { ClassifyRequest, ClassifySummary } from './classify.ts';
import type { CompareRequest, CompareResult } from './compare.ts';
import type { ConformanceReport, ConformanceRequest } from './conformance.ts';
import type { DeviceInfo } from './device.ts';
import type { DistanceTable, DistanceTableRequest, EmbedRequest, EmbedSummary } from './embed.ts';
import type { EvaluateRequest, EvaluationProgress, ModelEvaluationResult } from './evaluate.ts';
import type { ExportProgress, ExportRequest, ExportSummary } from './export.ts';
import type { ImportReport, ModelReference, StoredModel } from './models.ts';
import type { TrainEvent, TrainRequest, TrainSummary } from './train.ts';

export interface TrainWorkerApi {
  describeDevice(): Promise<DeviceInfo>;
  train(request: TrainRequest, onEvent: (event: TrainEvent) => void): Promise<TrainSummary>;
  /** Writes a checkpoint, then waits. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Writes a checkpoint, then ends the run as 'stopped'. */
  stop(): Promise<void>;
  evaluate(
    request: EvaluateRequest,
    onProgress?: (progress: EvaluationProgress) => void,
  ): Promise<ModelEvaluationResult>;
  cancelEvaluation(): void;
  exportModel(
    request: ExportRequest,
    onProgress?: (progress: ExportProgress) => void,
  ): Promise<ExportSummary>;
  cancelExport(): void;
  /** Takes a model file into this browser's storage. @throws as loading it does */
  importModel(model: Exclude<ModelReference, { kind: 'run' }>): Promise<StoredModel>;
  /** What of a model file maps to a network, before it is taken. */
  inspectModel(model: Exclude<ModelReference, { kind: 'run' }>): Promise<ImportReport>;
  /** These four are cancelled with cancelEvaluation. */
  makeDistanceTable(
    request: DistanceTableRequest,
    onProgress?: (progress: EvaluationProgress) => void,
  ): Promise<DistanceTable>;
  embedFolder(
    request: EmbedRequest,
    onProgress?: (progress: EvaluationProgress) => void,
  ): Promise<EmbedSummary>;
  compare(request: CompareRequest): Promise<CompareResult>;
  classify(
    request: ClassifyRequest,
    onProgress?: (progress: EvaluationProgress) => void,
  ): Promise<ClassifySummary>;
  conformance(request: ConformanceRequest, onMessage?: (message: string) => void): Promise<ConformanceReport>;
}
