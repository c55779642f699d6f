/** Errors that several jobs throw. */

/** The person stopped work that embeds images: an evaluation, or a job that is built on one. */
export class EvaluationCancelledError extends Error {
  override name = 'EvaluationCancelledError';
  constructor() {
    super('The evaluation was cancelled.');
  }
}

/** A dataset with too few classes, or too few that the job can use. */
export class TooFewClassesError extends Error {
  override name = 'TooFewClassesError';
}
