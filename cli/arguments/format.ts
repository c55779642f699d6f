/** Lines in the words and formats of the original's programs. */
import type { DatasetTotals } from '../../workers/protocol/data/dataset.ts';
import { deviceKind, type DeviceInfo } from '../../workers/protocol/device.ts';
import { formatShare } from '../../workers/protocol/format_share.ts';
import type { ExportSummary } from '../../workers/protocol/models/export.ts';
import type { ValidationRecord } from '../../workers/protocol/train/runs.ts';

/** `1 h 02 min`, `3 min 20 s`, `12 s` */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '–';
  const whole = Math.max(Math.round(seconds), 0);
  const two = (value: number): string => String(value).padStart(2, '0');
  if (whole >= 3600) return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
  if (whole >= 60) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${whole} s`;
}

export interface ProgressFigures {
  readonly done: number;
  readonly total: number;
  /** Per second. */
  readonly rate: number;
  readonly secondsLeft: number;
}

/** `Aligned 12 of 72 photos (17%), 3.4 photos/s, 18 s left` */
export function formatProgress(verb: string, unit: string, figures: ProgressFigures): string {
  const { done, total, rate, secondsLeft } = figures;
  // Rounded down: 100% means that nothing is left.
  const share = total > 0 ? Math.floor((100 * done) / total) / 100 : 1;
  const left = done < total ? `, ${formatDuration(secondsLeft)} left` : '';
  return `${verb} ${done} of ${total} ${unit} (${formatShare(share, 0)}), ${formatRate(rate)} ${unit}/s${left}`;
}

/** `Reading the folders: 12000 files so far, 11800 images of 480 identities` */
export function formatReading({ fileCount, imageCount, classCount }: DatasetTotals): string {
  return `Reading the folders: ${fileCount} files so far, ${imageCount} images of ${classCount} identities`;
}

function formatRate(rate: number): string {
  return Number.isFinite(rate) ? rate.toFixed(rate < 10 ? 1 : 0) : '–';
}

/** @param forced the backend that was asked for, if any */
export function formatDevice(device: DeviceInfo, forced?: 'webgpu' | 'wasm'): string {
  const backend = forced ?? device.backend;
  if (backend === 'webgpu') return `Device: ${device.adapter || 'no WebGPU adapter'}, WebGPU`;
  const found = {
    gpu: device.adapter,
    simulated: `no GPU, only a simulated one (${device.adapter})`,
    none: 'no WebGPU',
  }[deviceKind(device)];
  return `Device: ${found}; using the CPU through WebAssembly`;
}

/** train_softmax's line a validation. */
export function formatValidation(record: ValidationRecord): string {
  const { epoch, durationMs = 0, totalLoss = NaN, crossEntropy, accuracy } = record;
  return [
    `Validation Epoch: ${epoch}`,
    `Time ${(durationMs / 1000).toFixed(3)}`,
    `Loss ${totalLoss.toFixed(3)}`,
    `Xent ${crossEntropy.toFixed(3)}`,
    `Accuracy ${accuracy.toFixed(3)}`,
  ].join('\t');
}

export { resultLines as formatEvaluation } from '../../workers/protocol/evaluate/result_text.ts';

export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let value = bytes / 1000;
  let unit = 0;
  for (; value >= 999.5 && unit < units.length - 1; unit++) value /= 1000;
  return `${value.toFixed(value < 9.95 ? 1 : 0)} ${units[unit]!}`;
}

/** `/out/model.json and 24 other files, 93 MB`; the last file is the one to open. */
export function formatFiles(folder: string, files: ExportSummary['files']): string {
  const sizeBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
  const others = files.length - 1;
  const and = others > 0 ? ` and ${others} other file${others > 1 ? 's' : ''}` : '';
  return `${folder}/${files.at(-1)?.path ?? ''}${and}, ${formatBytes(sizeBytes)}`;
}
