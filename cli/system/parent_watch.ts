/**
 * Notices that npm, which started this program, has ended without passing its signal on: npm starts a shell that starts
 * this program, and what ends npm or the shell alone would leave the job running where nobody sees it.
 */
import { isProcessAlive, nameOfProcess, parentOf } from './process_owner.ts';

const INTERVAL_MS = 500;
const SHELL = /^-?(?:\/\S*\/)?(?:ba|da|z|k)?sh$/;

/**
 * Only for programs that npm has started: others may be meant to outlive the one that started them.
 * @param onGone called once
 * @returns stops watching
 */
export function watchNpm(onGone: () => void, environment = process.env): () => void {
  if (environment.npm_lifecycle_event === undefined || process.platform === 'win32') return () => undefined;
  const parent = process.ppid;
  const watched = [parent];
  // Some shells become the program that they start; npm is then the parent, and what started npm is not watched.
  const npm = SHELL.test(nameOfProcess(parent) ?? '') ? parentOf(parent) : undefined;
  if (npm !== undefined && npm > 1) watched.push(npm);
  const timer = setInterval(() => {
    if (process.ppid === parent && watched.every(isProcessAlive)) return;
    clearInterval(timer);
    onGone();
  }, INTERVAL_MS);
  timer.unref();
  return () => clearInterval(timer);
}
