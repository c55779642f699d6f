/** Claims to photos, where several processes align into one folder. */

export interface ClaimRequest {
  /** Names of what is wanted. */
  readonly claim: readonly string[];
  /** What is done with, and can be looked at by others. */
  readonly release: readonly string[];
  /** What is done with and came to nothing: the others do not try it again. */
  readonly failed: readonly string[];
  /** This process is at its end. */
  readonly end: boolean;
}

/** `held`: another process is at work on it; `failed`: another process has tried it in vain. */
export type ClaimState = 'granted' | 'held' | 'failed';
