/** Where an evaluation's pairs come from: generated from class folders, or a pairs file with its photos. */
import type { PairsSource } from '../../workers/protocol.ts';
import { DatasetChoice } from './dataset_choice.svelte.ts';
import type { Library } from './library.svelte.ts';

const DEFAULT_SEED = 666;
/** LFW's number; fewer where the photos do not allow it. */
const DEFAULT_PAIRS_PER_FOLD = 300;

export class PairsChoice {
  readonly images: DatasetChoice;
  kind = $state<'generated' | 'file'>('generated');
  seed = $state(DEFAULT_SEED);
  pairsPerFold = $state(DEFAULT_PAIRS_PER_FOLD);
  folds = $state(10);
  pairsText = $state.raw('');
  pairsFileName = $state('');
  constructor(library: Library) {
    this.images = new DatasetChoice('lfw', library);
  }

  get isComplete(): boolean {
    const { folders, problem } = this.images;
    return folders.length > 0 && !problem && (this.kind === 'generated' || this.pairsText !== '');
  }

  async readPairsFile(file: File): Promise<void> {
    this.pairsText = await file.text();
    this.pairsFileName = file.name;
    this.kind = 'file';
  }

  get source(): PairsSource {
    const images = [...this.images.folders];
    return this.kind === 'file'
      ? { images, pairsText: this.pairsText, lfw_nrof_folds: this.folds }
      : {
          images,
          generate: { seed: this.seed, pairsPerFold: this.pairsPerFold },
          lfw_nrof_folds: this.folds,
        };
  }
}
