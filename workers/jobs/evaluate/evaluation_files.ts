/**
 * A kept evaluation as files: evaluation.txt for people, lfw_result.txt as the original's training leaves it
 * (`step\taccuracy\tvalrate`), evaluation.json for programs.
 */
import { foldLines, resultJson, resultLines, wrongPairLines } from '../../protocol/evaluate/result_text.ts';
import { describeWeights } from '../../protocol/models/run_weights.ts';
import { terminalText } from '../../protocol/escape_text.ts';
import { describeSkipped } from '../../protocol/data/skipped_files.ts';
import type { SavedEvaluation } from '../../protocol/evaluate/evaluate.ts';

export function evaluationFiles(evaluation: SavedEvaluation): ReadonlyMap<string, Blob> {
  const { result, images: _folders, ...about } = evaluation;
  return new Map([
    ['evaluation.txt', textFile(evaluationText(evaluation))],
    [
      'lfw_result.txt',
      textFile([`${evaluation.step ?? 0}\t${result.accuracy.toFixed(5)}\t${result.val.toFixed(5)}`]),
    ],
    [
      'evaluation.json',
      new Blob(
        [
          JSON.stringify(
            { ...about, at: new Date(about.at).toISOString(), result: resultJson(result) },
            null,
            2,
          ),
        ],
        { type: 'application/json' },
      ),
    ],
  ]);
}

function textFile(lines: readonly string[]): Blob {
  return new Blob([`${lines.map(terminalText).join('\n')}\n`], { type: 'text/plain' });
}

function evaluationText({
  modelName,
  step,
  weights,
  imagesName,
  pairsFileName,
  at,
  options,
  result,
}: SavedEvaluation) {
  const pairs = pairsFileName === undefined ? 'made from the folders' : `from the file ${pairsFileName}`;
  const settings = Object.entries(options).filter(([, value]) => value !== undefined);
  return [
    `Model: ${modelName}${weights ? `, ${describeWeights(weights)}` : step === undefined ? '' : `, step ${step}`}`,
    `Images: ${imagesName}, ${result.imageCount}`,
    `Pairs: ${result.pairCount}, ${pairs} (checksum ${result.pairsChecksum})`,
    `Measured: ${new Date(at).toISOString()}`,
    ...settings.map(([name, value]) => `${name}: ${String(value)}`),
    '',
    ...resultLines(result),
    '',
    ...foldLines(result),
    ...(result.skippedPairs > 0 ? ['', `Skipped pairs: ${result.skippedPairs}`] : []),
    ...result.skippedCauses.map(({ cause, pairs: count }) => `${count}\t${cause}`),
    ...describeSkipped(result.skippedFiles ?? []),
    '',
    ...wrongPairLines(result.wrong),
  ];
}
