/**
 * Other outputs than the browser's own storage: a zip file that is streamed to disk, and a folder of the person, whose
 * permission is withdrawn, and whose page is closed in the middle. Folders of the private file system replace folders
 * on disk, which only a person can pick.
 */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ZipFile } from '../../workers/formats/zip_reader.ts';
import { PageBrowser } from './helpers/page_browser.ts';
import { makeSampleDataset } from './helpers/sample_dataset.ts';

const SAMPLE = { seed: 1, people: 3, photosPerPerson: 4 };
const PHOTOS = SAMPLE.people * SAMPLE.photosPerPerson;
const OUTPUT = 'faces of mine';
const JOB_LIMIT_MS = 180_000;

let browser: PageBrowser;
let page: Page;

/** In the page and its workers: the permission for a folder is withdrawn, and granted again on request. */
function withdrawPermission(): void {
  // Missing on the empty page with which a browser begins.
  if (!('FileSystemFileHandle' in globalThis)) return;
  const WRITES_ALLOWED = 4;
  /** The sizes of the 12 photos are read first; a photo that has been read once is not read again. */
  const READS_ALLOWED = 12 + 6;
  const others = new BroadcastChannel('permission test');
  const withdrawn = { read: false, readwrite: false };
  let writes = 0;
  let reads = 0;
  others.onmessage = ({ data }: MessageEvent<Partial<typeof withdrawn> & { dies?: boolean }>) => {
    if (!data.dies) Object.assign(withdrawn, data);
    else if (location.pathname.includes('/align.worker')) throw new Error('Out of memory.');
  };
  const change = (what: Partial<typeof withdrawn>): void => {
    Object.assign(withdrawn, what);
    others.postMessage(what);
  };
  const files = FileSystemFileHandle.prototype;
  const { createWritable, getFile } = files;
  const refuse = () => Promise.reject(new DOMException('Not allowed.', 'NotAllowedError'));
  files.createWritable = function (...options) {
    // An alignment can write only its first few faces.
    const isFace = location.pathname.includes('/align.worker') && this.name.endsWith('.png');
    if (isFace && ++writes === WRITES_ALLOWED + 1) change({ readwrite: true });
    return withdrawn.readwrite ? refuse() : createWritable.apply(this, options);
  };
  files.getFile = function () {
    const isTrained = location.pathname.includes('/train.worker') && this.name.endsWith('.png');
    if (isTrained && ++reads === READS_ALLOWED + 1) change({ read: true });
    return withdrawn.read ? refuse() : getFile.call(this);
  };
  const handles = FileSystemHandle.prototype;
  handles.queryPermission = function ({ mode = 'read' } = {}) {
    return Promise.resolve(withdrawn[mode as 'read'] ? 'prompt' : 'granted');
  };
  handles.requestPermission = function ({ mode = 'read' } = {}) {
    change({ [mode]: false });
    return Promise.resolve('granted');
  };
}

beforeAll(async () => {
  browser = await PageBrowser.open({ prelude: withdrawPermission });
  const input = await makeSampleDataset(browser.context, browser.address, SAMPLE);
  await browser.context.addInitScript(
    ([inputPath, outputName]) => {
      const root = (): Promise<FileSystemDirectoryHandle> => navigator.storage.getDirectory();
      window.showDirectoryPicker = async ({ mode } = {}) => {
        if (mode === 'readwrite') return (await root()).getDirectoryHandle(outputName, { create: true });
        let folder = await root();
        for (const part of inputPath.split('/')) folder = await folder.getDirectoryHandle(part);
        return folder;
      };
      window.showSaveFilePicker = async ({ suggestedName } = {}) =>
        (await root()).getFileHandle(suggestedName!, { create: true });
    },
    [input, OUTPUT] as const,
  );
  page = await openPage();
});

afterAll(() => browser?.close());

async function openPage(): Promise<Page> {
  const opened = await browser.newPage();
  opened.setDefaultTimeout(60_000);
  return opened;
}

const heading = (name: string | RegExp) => page.getByRole('heading', { name });
const button = (name: string | RegExp) => page.getByRole('button', { name });

async function chooseInput(): Promise<void> {
  await button('Choose a folder').click();
  await heading(`Ready to align ${PHOTOS} photos`).waitFor();
}

/** Paths and sizes in bytes of the files below a folder of the private file system. */
function filesIn(folder: string): Promise<Record<string, number>> {
  return page.evaluate(async (name) => {
    const sizes: Record<string, number> = {};
    const add = async (directory: FileSystemDirectoryHandle, prefix: string): Promise<void> => {
      for await (const entry of directory.values())
        if (entry.kind === 'directory')
          await add(entry as FileSystemDirectoryHandle, `${prefix}${entry.name}/`);
        else sizes[prefix + entry.name] = (await (entry as FileSystemFileHandle).getFile()).size;
    };
    await add(await (await navigator.storage.getDirectory()).getDirectoryHandle(name), '');
    return sizes;
  }, folder);
}

const facesIn = async (folder: string): Promise<string[]> =>
  Object.entries(await filesIn(folder)).flatMap(([path, size]) =>
    path.endsWith('.png') && size > 1000 ? [path] : [],
  );

describe.sequential('a zip file', () => {
  it('is streamed into the file that was picked', { timeout: JOB_LIMIT_MS }, async () => {
    let downloads = 0;
    page.on('download', () => downloads++);
    await chooseInput();
    await page.getByRole('radio', { name: /^A zip file/ }).check();
    await button('Align the faces').click();
    await heading(`Done: ${PHOTOS} aligned faces`).waitFor();
    const base64 = await page.evaluate(async () => {
      for await (const entry of (await navigator.storage.getDirectory()).values())
        if (entry.name.endsWith(' aligned.zip')) {
          const bytes = new Uint8Array(await (await (entry as FileSystemFileHandle).getFile()).arrayBuffer());
          return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
        }
      throw new Error('No zip file was saved.');
    });
    const zip = await ZipFile.open(new Blob([Buffer.from(base64, 'base64')]), 'saved.zip');
    const faces = [...zip.entries.keys()].filter((name) => name.endsWith('.png'));
    expect(faces).toHaveLength(PHOTOS);
    for (const face of faces) {
      const content = Buffer.from(await zip.read(face, 1_000_000));
      expect(content.subarray(1, 4).toString('latin1')).toBe('PNG');
    }
    expect([...zip.entries.keys()].some((name) => name.startsWith('bounding_boxes_'))).toBe(true);
    expect(downloads).toBe(0);
    await button('Start over').click();
  });
});

describe.sequential('a zip file that cannot be finished is gone, and the page says why', () => {
  const savedZips = (): Promise<string[]> =>
    page.evaluate(async () => {
      const names: string[] = [];
      for await (const name of (await navigator.storage.getDirectory()).keys())
        if (name.includes('.zip')) names.push(name);
      return names;
    });

  async function failToAlign(message: RegExp): Promise<void> {
    await chooseInput();
    await page.getByRole('radio', { name: /^A zip file/ }).check();
    await button('Align the faces').click();
    const notice = page.getByRole('alert').filter({ hasText: 'Alignment stopped' });
    await notice.waitFor();
    expect(await notice.innerText()).toMatch(message);
    // There is not one failure per photo in addition.
    expect(await heading(/No face saved for/).count()).toBe(0);
    expect(await savedZips()).toEqual([]);
    await button('Start over').click();
  }

  it('a full disk', { timeout: JOB_LIMIT_MS }, async () => {
    await page.evaluate(async () => {
      const root = await navigator.storage.getDirectory();
      for await (const name of root.keys()) if (name.endsWith('.zip')) await root.removeEntry(name);
      const streams = FileSystemWritableFileStream.prototype;
      const { write } = streams;
      let room = 100_000;
      streams.write = function (data) {
        room -= (data as Uint8Array).byteLength;
        if (room > 0) return write.call(this, data);
        streams.write = write;
        return Promise.reject(new DOMException('No space.', 'QuotaExceededError'));
      };
    });
    await failToAlign(/not enough space for .*aligned\.zip\. Free some space.* No incomplete file is left/);
  });

  it('an aligning worker that dies', { timeout: JOB_LIMIT_MS }, async () => {
    await page.evaluate(() => {
      const streams = FileSystemWritableFileStream.prototype;
      const { write } = streams;
      let room = 100_000;
      streams.write = function (data) {
        room -= (data as Uint8Array).byteLength;
        if (room < 0) {
          streams.write = write;
          new BroadcastChannel('permission test').postMessage({ dies: true });
        }
        return write.call(this, data);
      };
    });
    await failToAlign(/The worker that aligns faces stopped working/);
  });
});

describe.sequential('a folder of the person’s', () => {
  const LOCKED = 'Access to the folder was withdrawn';

  it(
    'whose permission is withdrawn pauses the job, and the page says why',
    { timeout: JOB_LIMIT_MS },
    async () => {
      await chooseInput();
      await page.getByRole('radio', { name: /^A folder on your disk/ }).check();
      await button('Choose a folder').click();
      await button('Align the faces').click();
      await page.getByText(LOCKED).waitFor();
      await page.getByText(`no longer allows access to the folder "${OUTPUT}"`).waitFor();
      await heading('Paused').waitFor();
      await button('Allow again and resume').waitFor();
      expect(await facesIn(OUTPUT)).toHaveLength(4);
    },
  );

  it(
    'keeps what is there when the page is closed, and is gone on with',
    { timeout: JOB_LIMIT_MS },
    async () => {
      await page.close();
      page = await openPage();
      expect(await facesIn(OUTPUT)).toHaveLength(4);
      await chooseInput();
      await page.getByRole('radio', { name: /^A folder on your disk/ }).check();
      await button('Choose a folder').click();
      await button('Align the faces').click();
      await page.getByText(LOCKED).waitFor();
      await page.getByText(/4 photos already aligned/).waitFor();
      expect(await facesIn(OUTPUT)).toHaveLength(8);
      await button('Allow again and resume').click();
      await heading(`Done: ${PHOTOS} aligned faces`).waitFor();
      await page.getByText(LOCKED).waitFor({ state: 'detached' });
      expect(await facesIn(OUTPUT)).toHaveLength(PHOTOS);
    },
  );

  it('can be trained on, and a run waits for its permission, too', { timeout: JOB_LIMIT_MS }, async () => {
    await button('Train on these faces').click();
    await page.getByLabel('Maximum epochs').fill('50');
    await page.getByLabel('Steps per epoch').fill('2');
    await page.getByLabel('Images per batch').fill('4');
    await button('Start training').click();
    const log = page.getByRole('log');
    await button('Resume').waitFor();
    await page.getByText(`no longer allows access to the folder "${OUTPUT}"`).first().waitFor();
    await button('Resume').click();
    await log.getByText('The run continues.').waitFor();
    await log.getByText('Epoch: [2][1/2]').waitFor();
    await button('Stop').click();
    await log.getByText(/Stopped/).waitFor();
  });

  it('and nothing else went wrong', () => {
    // The console shows the deliberate refusal with its cause.
    const wanted = /PermissionLostError|no longer allows|not enough space|stopped working/;
    expect(browser.complaints.filter((line) => !wanted.test(line))).toEqual([]);
  });
});
