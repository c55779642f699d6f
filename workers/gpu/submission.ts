/** After this many operations, the commands encoded so far are submitted. */
export const OPERATIONS_PER_SUBMISSION = { software: 4e9, hardware: 2e11 } as const;
