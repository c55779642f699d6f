/**
 * A real folder, which the terminal front end serves to the page on the page's own origin.
 *
 * - `GET <url>?list` → newline-delimited JSON, one `{"path": "a/b.jpg"}` per file, streamed; `HEAD <url>` checks
 *   whether the folder exists.
 * - `GET`, `HEAD`, `PUT` (complete or not at all), `POST` (appends) and `DELETE` on `<url>/<path>`, with each part
 *   percent-encoded. A byte of a name that is not UTF-8 is written as in `J\xFCrgen`, here and in the list
 *   (cli/system/disk_names.ts). The response for a file has its modification time in `X-Modified-Ms`.
 * - `POST <url>?stats` with a JSON list of paths → a list of `[bytes, modification time]`, or null for a missing
 *   file.
 * - `POST <url>?claims` with a `ClaimRequest` → its `ClaimState`s.
 * - `PUT <url>/<name>?folder` creates a folder; the status is 409 if it exists. `DELETE` removes an empty folder.
 *
 * Failures: 404 the file is missing; 422 the file cannot be read (the body says why); 410 the whole folder is gone;
 * 403 reading or writing the folder is not permitted; 507 the disk is full.
 */
import type { ClaimRequest, ClaimState } from '../protocol/data/claims.ts';
import type { FileListing, FileStats, WritableDirectory } from '../protocol/data/directories.ts';
import {
  FileMissingError,
  FileUnreadableError,
  FolderMissingError,
  PermissionLostError,
  StorageFullError,
} from '../protocol/data/file_errors.ts';

export class HttpDirectory implements WritableDirectory {
  readonly name: string;
  readonly #url: string;

  constructor(name: string, url: string) {
    this.name = name;
    this.#url = url;
  }

  async *list(signal?: AbortSignal): AsyncIterable<FileListing> {
    const response = await fetch(`${this.#url}?list`, signal ? { signal } : {});
    if (!response.ok || !response.body) throw await this.#failure(response, this.name);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const lines = (rest + value).split('\n');
      rest = lines.pop()!;
      for (const line of lines) yield JSON.parse(line) as FileListing;
    }
    // The server ends a complete listing with a newline. Anything else is incomplete.
    if (rest !== '') throw new Error(`Reading the folder "${this.name}" was cut off.`);
  }

  async read(path: string): Promise<Blob> {
    const response = await fetch(this.#address(path));
    if (!response.ok) throw await this.#failure(response, path);
    try {
      const content = await response.blob();
      const lastModified = Number(response.headers.get('X-Modified-Ms') ?? 0);
      return new File([content], path.slice(path.lastIndexOf('/') + 1), { lastModified, type: content.type });
    } catch (error) {
      throw new FileUnreadableError(path, error instanceof Error ? error.message : String(error));
    }
  }

  async stats(paths: readonly string[]): Promise<(FileStats | undefined)[]> {
    const response = await fetch(`${this.#url}?stats`, { method: 'POST', body: JSON.stringify(paths) });
    if (!response.ok) throw await this.#failure(response, this.name);
    const found = (await response.json()) as ([number, number] | null)[];
    return found.map((stats) => (stats ? { sizeBytes: stats[0], modifiedMs: stats[1] } : undefined));
  }

  async exists(path: string): Promise<boolean> {
    const response = await fetch(this.#address(path), { method: 'HEAD' });
    if (response.status === 404) return false;
    if (!response.ok) throw await this.#failure(response, path);
    return true;
  }

  async write(path: string, content: Blob | Uint8Array<ArrayBuffer> | string): Promise<void> {
    const response = await fetch(this.#address(path), { method: 'PUT', body: content });
    if (!response.ok) throw await this.#failure(response, path);
  }

  async append(path: string, text: string): Promise<void> {
    const response = await fetch(this.#address(path), { method: 'POST', body: text });
    if (!response.ok) throw await this.#failure(response, path);
  }

  async remove(path: string): Promise<void> {
    const response = await fetch(this.#address(path), { method: 'DELETE' });
    if (!response.ok) throw await this.#failure(response, path);
  }

  async requireThere(): Promise<void> {
    const response = await fetch(this.#url, { method: 'HEAD' });
    if (!response.ok) throw await this.#failure(response, this.name);
  }

  async claims(request: ClaimRequest): Promise<ClaimState[]> {
    const response = await fetch(`${this.#url}?claims`, { method: 'POST', body: JSON.stringify(request) });
    if (!response.ok) throw await this.#failure(response, this.name);
    return (await response.json()) as ClaimState[];
  }

  async claimFolder(name: string): Promise<boolean> {
    const response = await fetch(`${this.#address(name)}?folder`, { method: 'PUT' });
    if (response.status === 409) return false;
    if (!response.ok) throw await this.#failure(response, name);
    return true;
  }

  async releaseFolder(name: string): Promise<void> {
    await fetch(`${this.#address(name)}?folder`, { method: 'DELETE' });
  }

  #address(path: string): string {
    return `${this.#url}/${path.split('/').map(encodeURIComponent).join('/')}`;
  }

  async #failure(response: Response, path: string): Promise<Error> {
    switch (response.status) {
      case 404:
        return new FileMissingError(path, this.name);
      case 422:
        return new FileUnreadableError(path, (await response.text()) || 'no reason is known');
      case 410:
        return new FolderMissingError(this.name);
      case 403:
        return new PermissionLostError(this.name);
      case 507:
        return new StorageFullError(path);
      default:
        return new Error(`${path} in "${this.name}": the folder's server answered ${response.status}.`);
    }
  }
}
