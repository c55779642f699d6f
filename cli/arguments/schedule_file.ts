/** The learning rate schedule, read from its file before anything is started. */
import { readFileSync } from 'node:fs';
import { parseSchedule, ScheduleError } from '../../workers/protocol/train/schedule.ts';
import { CommandError } from '../system/errors.ts';
import { findDataFile, resolvePath } from '../system/paths.ts';

/** @returns the file's text. @throws CommandError naming the file and the line */
export function readScheduleFile(name: string): string {
  const path = findDataFile(name);
  if (path === undefined)
    throw new CommandError(
      `There is no learning rate schedule ${resolvePath(name)}. It must be a text file with lines such as "0: 0.05". The folder data/ contains the one of the FaceNet training guide.`,
    );
  const text = readFileSync(path, 'utf8');
  try {
    parseSchedule(text);
  } catch (error) {
    if (!(error instanceof ScheduleError)) throw error;
    throw new CommandError(`${path}${error.line > 0 ? `, line ${error.line}` : ''}: ${error.message}`, {
      cause: error,
    });
  }
  return text;
}
