/** Stores drawn faces as a dataset in the browser, with photos moved between people, before a page is opened. */
import type { BrowserContext, Page } from 'playwright-core';
import type { TerminalBridge } from '../../../cli/page/terminal_bridge.ts';
import type { DirectoryReference, SampleFacesOptions } from '../../../workers/protocol/data/dataset.ts';
import type { UploadedFile } from './small_model.ts';

export interface MovedPhoto {
  /** Paths in the dataset. */
  readonly from: string;
  readonly to: string;
}

/**
 * Draws the faces in the terminal's page, moves the photos, and stores the folder as one of aligned faces.
 * @param address the address of the built page
 * @returns the folder's path in the browser's own storage
 */
export async function makeSampleDataset(
  context: BrowserContext,
  address: string,
  options: SampleFacesOptions,
  moves: readonly MovedPhoto[] = [],
): Promise<string> {
  const page = await context.newPage();
  await page.goto(`${address}terminal.html`);
  await page.waitForFunction(() => 'facenet' in globalThis);
  const path = await page.evaluate(
    async ([sample, moved]) => {
      const { facenet } = globalThis as unknown as { facenet: TerminalBridge };
      const drawn = await facenet.call('dataset', 'makeSampleFaces', [sample]);
      if (!drawn.ok) throw new Error(drawn.message);
      const reference = drawn.value as DirectoryReference & { kind: 'private' };
      let folder = await navigator.storage.getDirectory();
      for (const part of reference.path.split('/')) folder = await folder.getDirectoryHandle(part);
      for (const { from, to } of moved) {
        const [fromClass, fromName] = from.split('/') as [string, string];
        const [toClass, toName] = to.split('/') as [string, string];
        const source = await folder.getDirectoryHandle(fromClass);
        const photo = await (await source.getFileHandle(fromName)).getFile();
        const target = await folder.getDirectoryHandle(toClass);
        const writer = await (await target.getFileHandle(toName, { create: true })).createWritable();
        await writer.write(await photo.arrayBuffer());
        await writer.close();
        await source.removeEntry(fromName);
      }
      await facenet.call('library', 'rememberFolder', [reference, 'aligned']);
      return reference.path;
    },
    [options, moves] as const,
  );
  await page.close();
  return path;
}

/** The drawn photos from the private file system. */
export async function readSamplePhotos(page: Page): Promise<UploadedFile[]> {
  const files = await page.evaluate(async () => {
    const root = await navigator.storage.getDirectory();
    const found: { name: string; base64: string }[] = [];
    const folders = [await root.getDirectoryHandle('sample-faces')];
    for (let folder = folders.pop(); folder; folder = folders.pop())
      for await (const entry of folder.values())
        if (entry.kind === 'directory') folders.push(entry as FileSystemDirectoryHandle);
        else {
          const bytes = new Uint8Array(await (await (entry as FileSystemFileHandle).getFile()).arrayBuffer());
          found.push({
            name: entry.name,
            base64: btoa(bytes.reduce((s, b) => s + String.fromCharCode(b), '')),
          });
        }
    return found;
  });
  return files
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, base64 }) => ({ name, mimeType: 'image/png', buffer: Buffer.from(base64, 'base64') }));
}
