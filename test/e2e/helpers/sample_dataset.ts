/** Drawn faces as a dataset of the browser's own storage, with photos moved between people, before a page is opened. */
import type { BrowserContext } from 'playwright-core';
import type { TerminalBridge } from '../../../src/terminal_bridge.ts';
import type { DirectoryReference, SampleFacesOptions } from '../../../workers/protocol/dataset.ts';

export interface MovedPhoto {
  /** Paths in the dataset. */
  readonly from: string;
  readonly to: string;
}

/**
 * Draws the faces in a page without a page, moves the photos, and has the folder remembered as one of aligned faces.
 * @param address of the built page
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
