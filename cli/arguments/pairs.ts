/** Where the pairs of an evaluation come from: a pairs file, else pairs made from the folders. */
import { readFileSync } from 'node:fs';
import type { DirectoryReference } from '../../workers/protocol/data/dataset.ts';
import { PAIRS_LIMITS } from '../../workers/protocol/align/limits.ts';
import type { PairsSource } from '../../workers/protocol/evaluate/pairs.ts';
import { numberOf, textOf } from './command.ts';
import { textOfBytes } from '../system/disk_names.ts';
import { CommandError } from '../system/errors.ts';
import { numberFlag, type Arguments, type FlagSpec } from './flags.ts';
import type { Output } from './output.ts';
import { findDataFile, kindOf, resolvePath } from '../system/paths.ts';

/** The original's default for lfw_pairs. */
const DEFAULT_PAIRS_FILE = 'data/pairs.txt';

export const PAIRS_FLAGS: readonly FlagSpec[] = [
  {
    name: 'lfw_pairs',
    type: 'text',
    placeholder: 'file',
    description: `The pairs file. Default: ${DEFAULT_PAIRS_FILE}; if that is missing, pairs are generated from the folders.`,
  },
  numberFlag('pairs_seed', PAIRS_LIMITS.pairs_seed, {
    default: 666,
    description: 'Seed of the pairs that are generated from the folders.',
  }),
  numberFlag('pairs_per_fold', PAIRS_LIMITS.pairs_per_fold, {
    default: 300,
    description: 'Maximum number of same-person pairs, and of different-person pairs, to generate per fold.',
  }),
];

/** What a resumed run takes again. */
export interface PairsChoice {
  /** The pairs file; without one, pairs are made from the folders. */
  readonly path?: string | undefined;
  readonly folds: number;
  readonly seed: number;
  readonly pairsPerFold: number;
}

/** Before anything is started. @throws CommandError when a pairs file was named and is not there */
export function choosePairs(args: Arguments): PairsChoice {
  const given = textOf(args, 'lfw_pairs');
  const path = findDataFile(given ?? DEFAULT_PAIRS_FILE);
  if (path === undefined && given !== undefined)
    throw new CommandError(
      kindOf(resolvePath(given)) === 'folder'
        ? `--lfw_pairs ${given} is a folder, but it must be a pairs file.`
        : `There is no pairs file ${resolvePath(given)}. Without --lfw_pairs, pairs are generated from the folders.`,
    );
  return {
    path,
    folds: numberOf(args, 'lfw_nrof_folds'),
    seed: numberOf(args, 'pairs_seed'),
    pairsPerFold: numberOf(args, 'pairs_per_fold'),
  };
}

/** What a person should know about the choice. */
export function notePairs({ path }: PairsChoice, output: Output): void {
  if (path === undefined)
    output.line(
      `Note: there is no ${DEFAULT_PAIRS_FILE}, so the pairs are generated from the folders. To compare with published LFW results, name LFW's pairs file with --lfw_pairs.`,
    );
}

/** Names in a pairs file that is not UTF-8 are read as those of folders are. */
export function pairsSource(
  { path, folds, seed, pairsPerFold }: PairsChoice,
  images: DirectoryReference,
): PairsSource {
  return path === undefined
    ? { images: [images], generate: { seed, pairsPerFold }, lfw_nrof_folds: folds }
    : { images: [images], pairsText: textOfBytes(readFileSync(path)), lfw_nrof_folds: folds };
}
