/** What ends a command: one clear line on stderr and an exit code. */

/** The command line itself is wrong. */
export class UsageError extends Error {
  override name = 'UsageError';
}

/** The command cannot do its work; the message names the thing and the way on. */
export class CommandError extends Error {
  override name = 'CommandError';
}

export const EXIT_FAILURE = 1;
export const EXIT_USAGE = 2;
