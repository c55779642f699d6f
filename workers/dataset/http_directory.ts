/**
 * A real folder that the terminal front end serves to the page on the page's own origin.
 *
 * `GET <url>?list` → newline-delimited JSON, `{"path": "a/b.jpg"}` a file, streamed; `GET`, `HEAD`, `PUT` (whole or not
 * at all; 507 when the disk is full, 403 when not permitted) and `DELETE` on `<url>/<path>`, each part percent-encoded.
 */
import type { FileListing, WritableDirectory } from './directory.ts';
import { FileMissingError, PermissionLostError, StorageFullError } from './errors.ts';

export class HttpDirectory implements WritableDirectory {
  readonly name: string;
  readonly #url: string;

  constructor(name: string, url: string) {
    this.name = name;
    this.#url = url;
  }

  async *list(signal?: AbortSignal): AsyncIterable<FileListing> {
    const response = await fetch(`${this.#url}?list`, signal ? { signal } : {});
    if (!response.ok || !response.body) throw this.#failure(response, this.name);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const lines = (rest + value).split('\n');
      rest = lines.pop()!;
      for (const line of lines) yield JSON.parse(line) as FileListing;
    }
    // The server ends a complete listing with a newline: anything else was cut off.
    if (rest !== '') throw new Error(`Reading the folder "${this.name}" was cut off.`);
  }

  async read(path: string): Promise<Blob> {
    const response = await fetch(this.#address(path));
    if (!response.ok) throw this.#failure(response, path);
    return response.blob();
  }

  async exists(path: string): Promise<boolean> {
    const response = await fetch(this.#address(path), { method: 'HEAD' });
    if (response.status === 404) return false;
    if (!response.ok) throw this.#failure(response, path);
    return true;
  }

  async write(path: string, content: Blob | Uint8Array<ArrayBuffer> | string): Promise<void> {
    const response = await fetch(this.#address(path), { method: 'PUT', body: content });
    if (!response.ok) throw this.#failure(response, path);
  }

  async remove(path: string): Promise<void> {
    const response = await fetch(this.#address(path), { method: 'DELETE' });
    if (!response.ok) throw this.#failure(response, path);
  }

  #address(path: string): string {
    return `${this.#url}/${path.split('/').map(encodeURIComponent).join('/')}`;
  }

  #failure(response: Response, path: string): Error {
    if (response.status === 404) return new FileMissingError(path, this.name);
    if (response.status === 403) return new PermissionLostError(this.name);
    if (response.status === 507) return new StorageFullError(path);
    return new Error(`${path} in "${this.name}": the folder's server answered ${response.status}.`);
  }
}
