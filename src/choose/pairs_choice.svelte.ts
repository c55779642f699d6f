/** Where an evaluation's pairs come from: made from class folders, or a pairs file in them or beside them. */
import { firstObstacle, PAIRS_LIMITS } from '../../workers/protocol/align/limits.ts';
import { numberProblems } from '../../workers/protocol/number_limits.ts';
import type { PairsSource } from '../../workers/protocol/evaluate/pairs.ts';
import { DatasetChoice } from './dataset_choice.svelte.ts';
import type { Library } from '../session/library.svelte.ts';

/** As the form calls the numbers. */
export const PAIRS_LABELS = {
  lfw_nrof_folds: 'Folds',
  pairs_per_fold: 'Pairs per fold',
  pairs_seed: 'Seed',
} as const;

const DEFAULT_SEED = 666;
/** LFW's number; fewer where the photos do not allow it. */
const DEFAULT_PAIRS_PER_FOLD = 300;

export class PairsChoice {
  readonly images: DatasetChoice;
  kind = $state<'generated' | 'inside' | 'file'>('generated');
  seed = $state(DEFAULT_SEED);
  pairsPerFold = $state(DEFAULT_PAIRS_PER_FOLD);
  folds = $state(10);
  pairsText = $state.raw('');
  pairsFileName = $state('');
  constructor(library: Library) {
    this.images = new DatasetChoice('lfw', library);
  }

  get isComplete(): boolean {
    return this.obstacle === '';
  }

  /** Why there are no pairs yet, and what to do; empty when there are. */
  get obstacle(): string {
    const { folders, problem } = this.images;
    if (problem) return 'The folder for the pairs cannot be used. Choose another one.';
    if (folders.length === 0) return 'Choose the folder of faces for the pairs.';
    if (this.kind === 'file' && this.pairsText === '') return 'Choose the pairs file.';
    return firstObstacle(numberProblems(PAIRS_LIMITS, this.#numbers), PAIRS_LABELS);
  }

  /** Those that count for the kind of pairs that is chosen. */
  get #numbers(): Record<keyof typeof PAIRS_LIMITS, number> {
    const isGenerated = this.kind === 'generated';
    return {
      lfw_nrof_folds: this.folds,
      pairs_per_fold: isGenerated ? this.pairsPerFold : DEFAULT_PAIRS_PER_FOLD,
      pairs_seed: isGenerated ? this.seed : DEFAULT_SEED,
    };
  }

  async readPairsFile(file: File): Promise<void> {
    this.pairsText = await file.text();
    this.pairsFileName = file.name;
    this.kind = 'file';
  }

  /** Undefined for pairs that are made from the folders. */
  get fileName(): string | undefined {
    if (this.kind === 'inside') return 'the folder’s pairs file';
    return this.kind === 'file' ? this.pairsFileName : undefined;
  }

  get source(): PairsSource {
    const common = { images: [...this.images.folders], lfw_nrof_folds: this.folds };
    switch (this.kind) {
      case 'file':
        return { ...common, pairsText: this.pairsText };
      case 'inside':
        return { ...common, isPairsFileInside: true };
      case 'generated':
        return { ...common, generate: { seed: this.seed, pairsPerFold: this.pairsPerFold } };
    }
  }
}
