/** Errors of an evaluation. Each message names the problem and says what to do. */
import { quoted } from '../protocol/quoted.ts';

export class MalformedPairsFileError extends Error {
  override name = 'MalformedPairsFileError';
  /** The line, from 1. */
  readonly line: number;

  constructor(line: number, text: string, expected: string) {
    super(`Line ${line} of the pairs file is ${quoted(text)}; ${expected}.`);
    this.line = line;
  }
}

export class NoPairsFileError extends Error {
  override name = 'NoPairsFileError';
  /** @param found the possible files: none, or several */
  constructor(folder: string, found: readonly string[]) {
    super(
      found.length === 0
        ? `There is no pairs.txt directly in "${folder}". Choose the pairs file itself, or generate pairs from the folder.`
        : `"${folder}" has several pairs files: ${found.slice(0, 4).join(', ')}. Choose one of them.`,
    );
  }
}

export class NoPairsFoundError extends Error {
  override name = 'NoPairsFoundError';
  /** @param cause why the first pair was skipped */
  constructor(folder: string, pairCount: number, cause: string) {
    super(
      `None of the ${pairCount} pairs can be evaluated with the photos in "${folder}". The first problem: ${cause}. Choose the folder that belongs to the pairs file. It must contain one folder per person, with photos named <name>/<name>_0001.jpg or .png.`,
    );
  }
}

export class TooFewPairsError extends Error {
  override name = 'TooFewPairsError';
}

export class EmbeddingsNotFiniteError extends Error {
  override name = 'EmbeddingsNotFiniteError';
  constructor(modelName?: string) {
    super(
      `The embeddings of ${modelName === undefined ? 'the model' : `the model ${modelName}`} are not numbers, because its training diverged. Use an earlier checkpoint, or train again with a smaller learning rate.`,
    );
  }
}
