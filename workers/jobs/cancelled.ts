export class EvaluationCancelledError extends Error {
  override name = 'EvaluationCancelledError';
  constructor() {
    super('The evaluation was cancelled.');
  }
}
