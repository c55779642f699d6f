/** Operations after which the commands so far are handed to the queue. */
export const OPERATIONS_PER_SUBMISSION = { software: 4e9, hardware: 2e11 } as const;
