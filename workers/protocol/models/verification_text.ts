/** How an export was checked, in words for the page and the terminal. */
import type { ExportVerification } from './export.ts';

/** @param difference the largest one, as a number to be shown */
export function describeVerification({ by, notRun }: ExportVerification, difference: string): string {
  const result = `the embeddings differ from the model’s by at most ${difference}`;
  if (notRun)
    return `${notRun.program} could not run the files here (${notRun.reason}). Only their weights were read again and compared: ${result}.`;
  return by === 'own reader'
    ? `The weights were read again and compared: ${result}.`
    : `${by} ran the files: ${result}.`;
}
