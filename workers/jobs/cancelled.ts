/** The person stopped work that embeds images: an evaluation, or a job that is built on one. */
export class EvaluationCancelledError extends Error {
  override name = 'EvaluationCancelledError';
  constructor() {
    super('The evaluation was cancelled.');
  }
}
