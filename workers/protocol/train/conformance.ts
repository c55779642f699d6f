/** The program held against a fixture. */
import type { Precision } from './options.ts';
import type { BackendName } from '../device.ts';

export interface ConformanceRequest {
  /** The fixture file's text. */
  readonly fixture: string;
  readonly backend?: BackendName | undefined;
  readonly executor?: 'engine' | 'tfjs' | undefined;
  /** Of a model fixture's activations; default float32. float16 is held to bounds of its own. */
  readonly precision?: Precision | undefined;
}

/** For a model fixture or a metrics fixture; keys as the terminal's --json prints them. */
export interface ConformanceReport {
  readonly kind: 'model' | 'metrics';
  readonly figures: Readonly<Record<string, number>>;
  /** Each bound that was held against a figure. */
  readonly bounds: readonly { readonly figure: string; readonly bound: number; readonly holds: boolean }[];
  readonly device: string;
}
