/** What comlink passes of an error: the page shows the message, the console the cause. */

/** What a worker throws at the page for anything a person can act on; `message` is one clear sentence. */
export interface PlainError {
  readonly name: string;
  readonly message: string;
}
