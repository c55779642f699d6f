/** The settings of alignment that have names, and those to try again with. */
import type { AlignOptions } from '../../workers/protocol/align/align.ts';
import {
  ALIGN_LIMITS,
  alignProblems,
  firstObstacle,
  type AlignNumber,
} from '../../workers/protocol/align/limits.ts';

export interface AlignPreset {
  readonly id: string;
  readonly title: string;
  readonly description: string;
  readonly image_size: number;
  readonly margin: number;
}

export const ALIGN_PRESETS: readonly AlignPreset[] = [
  {
    id: 'train',
    title: 'For training (182 px, margin 44)',
    description: 'Leaves room for random 160-pixel crops around the face.',
    image_size: 182,
    margin: 44,
  },
  {
    id: 'test',
    title: 'For evaluation only (160 px, margin 32)',
    description: 'Exactly what the network sees.',
    image_size: 160,
    margin: 32,
  },
];

/** As the form calls the numbers. */
export const ALIGN_LABELS: Readonly<Record<AlignNumber, string>> = {
  image_size: 'Image size (pixels)',
  margin: 'Margin (pixels)',
  minsize: 'Smallest face (pixels)',
  factor: 'Pyramid factor',
  'thresholds[0]': 'Proposal threshold',
  'thresholds[1]': 'Refine threshold',
  'thresholds[2]': 'Output threshold',
};

/** Why these settings cannot be used, and what to enter; empty when they can. */
export function settingsObstacle(options: AlignOptions): string {
  return firstObstacle(alignProblems(options), ALIGN_LABELS);
}

/** What may be tried with photos that gave no face. */
export type Retry = 'lower-thresholds' | 'smaller-faces' | 'both';

const LEAST_THRESHOLD = 0.3;
const LEAST_MINSIZE = ALIGN_LIMITS.minsize.minimum;

export function retryOptions(options: AlignOptions, retry: Retry): AlignOptions {
  const [first, second, third] = options.thresholds;
  const lower = (threshold: number): number =>
    Math.max(LEAST_THRESHOLD, Number((threshold - 0.15).toFixed(2)));
  return {
    ...options,
    thresholds: retry === 'smaller-faces' ? options.thresholds : [lower(first), lower(second), lower(third)],
    minsize:
      retry === 'lower-thresholds'
        ? options.minsize
        : Math.min(options.minsize, Math.max(LEAST_MINSIZE, Math.floor(options.minsize / 2))),
  };
}
