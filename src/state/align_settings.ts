/** The settings of alignment that have names, and those to try again with. */
import type { AlignOptions } from '../../workers/protocol/align.ts';

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
    title: 'train 182/44',
    description: 'For training at 160 pixels: room for a random crop around the face.',
    image_size: 182,
    margin: 44,
  },
  {
    id: 'test',
    title: 'test 160/32',
    description: 'For evaluating a model: exactly what the network sees.',
    image_size: 160,
    margin: 32,
  },
];

/** What may be tried with photos that gave no face. */
export type Retry = 'lower-thresholds' | 'smaller-faces' | 'both';

const LEAST_THRESHOLD = 0.3;
/** The first network's window is 12 pixels: smaller faces are looked for in enlarged photos. */
const LEAST_MINSIZE = 10;

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
