/** What went wrong, as the page shows it; the console gets the cause. */
export interface Problem {
  readonly name: string;
  /** One clear sentence with the way on. */
  readonly message: string;
}

/** @returns undefined when the person closed a picker: nothing went wrong */
export function problemOf(error: unknown): Problem | undefined {
  if (error instanceof Error && error.name === 'AbortError') return undefined;
  console.error(error);
  if (error instanceof Error) return { name: error.name, message: error.message };
  return { name: 'Error', message: String(error) };
}

export function isPermissionLost(problem: Problem): boolean {
  return problem.name === 'PermissionLostError';
}
