/** Deliberate faults in an alignment: it waits or stops, and all written faces are complete. */
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { decodeImage } from '../../../workers/files/images/decode.ts';
import { openWritableDirectory } from '../../../workers/files/open.ts';
import { align } from '../../../workers/jobs/align/align_job.ts';
import { JobControl } from '../../../workers/protocol/job_control.ts';
import {
  DEFAULT_ALIGN_OPTIONS,
  type AlignEvent,
  type AlignRequest,
  type AlignSummary,
} from '../../../workers/protocol/align/align.ts';
import type { DirectoryReference } from '../../../workers/protocol/data/dataset.ts';
import { drawSampleFace } from '../../../workers/jobs/sample_faces/draw_face.ts';
import { samplePerson } from '../../../workers/jobs/sample_faces/person.ts';
import { samplePhoto } from '../../../workers/jobs/sample_faces/photo.ts';

const INPUT: DirectoryReference = { kind: 'private', path: 'test-align-faults/in' };
const OUTPUT: DirectoryReference = { kind: 'private', path: 'test-align-faults/out' };
const PHOTOS = 30;

beforeAll(async () => {
  const input = await openWritableDirectory(INPUT);
  for (let index = 0; index < PHOTOS; index++) {
    const person = 1 + (index % 5);
    const face = drawSampleFace(samplePerson(1, person), samplePhoto(1, person, index % 3));
    await input.write(
      `${person}/${String(index).padStart(2, '0')}.jpg`,
      await face.convertToBlob({ type: 'image/jpeg' }),
    );
  }
});

beforeEach(async () => {
  const root = await navigator.storage.getDirectory();
  const folder = await root.getDirectoryHandle('test-align-faults', { create: true });
  await folder.removeEntry('out', { recursive: true }).catch(() => undefined);
});

afterEach(() => {
  vi.restoreAllMocks();
});

interface Run {
  readonly events: AlignEvent[];
  readonly control: JobControl;
  readonly end: Promise<AlignSummary>;
}

function run(
  onEvent: (event: AlignEvent, control: JobControl) => void = () => undefined,
  other: Partial<AlignRequest> = {},
): Run {
  const events: AlignEvent[] = [];
  const control = new JobControl();
  const end = align(
    {
      input: [INPUT],
      output: { kind: 'directory', directory: OUTPUT },
      options: DEFAULT_ALIGN_OPTIONS,
      backend: 'wasm',
      ...other,
    },
    (event) => {
      events.push(event);
      onEvent(event, control);
    },
    control,
  );
  end.catch(() => undefined);
  return { events, control, end };
}

/** The written faces. Each must be a complete picture. */
async function wholeFaces(): Promise<string[]> {
  const output = await openWritableDirectory(OUTPUT);
  const faces: string[] = [];
  for await (const { path } of output.list()) {
    if (!path.endsWith('.png')) continue;
    expect(await decodeImage(await output.read(path), path)).toMatchObject({ width: 182, height: 182 });
    faces.push(path);
  }
  return faces.sort();
}

const listedFaces = async (): Promise<string[]> => {
  const output = await openWritableDirectory(OUTPUT);
  const lines: string[] = [];
  for await (const { path } of output.list())
    if (path.startsWith('bounding_boxes_'))
      lines.push(...(await (await output.read(path)).text()).split('\n'));
  return lines.flatMap((line) => /^(.*\.png)( \d+){4}$/.exec(line)?.[1] ?? []).sort();
};

/** The browser's error after the person has withdrawn the permission. */
function withdrawWhile(isWithdrawn: () => boolean, method: 'getFile' | 'createWritable'): void {
  const original = FileSystemFileHandle.prototype[method] as (...values: unknown[]) => Promise<never>;
  vi.spyOn(FileSystemFileHandle.prototype, method).mockImplementation(function (
    this: FileSystemFileHandle,
    ...values: unknown[]
  ) {
    return isWithdrawn()
      ? Promise.reject(new DOMException('Not allowed.', 'NotAllowedError'))
      : original.apply(this, values);
  });
}

it.each(['getFile', 'createWritable'] as const)(
  'a permission withdrawn in the middle (%s) pauses the job; after a click it goes on and loses nothing',
  async (method) => {
    let isWithdrawn = false;
    withdrawWhile(() => isWithdrawn, method);
    let hasBeen = false;
    const { events, end } = run((event, control) => {
      // All these few photos may be read before the first face is written.
      const moment = method === 'getFile' ? 'started' : 'aligned';
      if (event.kind === moment && !hasBeen) isWithdrawn = hasBeen = true;
      if (event.kind !== 'paused') return;
      setTimeout(() => {
        isWithdrawn = false;
        control.resume();
      }, 50);
    });
    const summary = await end;
    expect(summary.failures).toEqual([]);
    expect(summary.successfullyAligned).toBe(PHOTOS);
    const stops = events.filter(({ kind }) => kind === 'paused' || kind === 'resumed');
    expect(stops.map(({ kind }) => kind)).toEqual(['paused', 'resumed']);
    expect(stops[0]).toMatchObject({
      message: expect.stringMatching(/no longer allows access to the folder/),
    });
    expect(await wholeFaces()).toHaveLength(PHOTOS);
    expect(await listedFaces()).toEqual(await wholeFaces());
  },
);

it('a permission that is not given again: the job can be stopped, and continued later', async () => {
  let isWithdrawn = false;
  withdrawWhile(() => isWithdrawn, 'createWritable');
  const { events, end } = run((event, control) => {
    if (event.kind === 'aligned' && events.filter(({ kind }) => kind === 'aligned').length === 3)
      isWithdrawn = true;
    if (event.kind === 'paused') control.cancel();
  });
  const summary = await end;
  expect(summary).toMatchObject({ cancelled: true, successfullyAligned: 3 });
  expect(await wholeFaces()).toHaveLength(3);
  isWithdrawn = false;
  expect(await run().end).toMatchObject({ skippedExisting: 3, successfullyAligned: PHOTOS });
});

it('a full disk stops the job; every face on it is complete, and the rest follows later', async () => {
  let writes = 0;
  let isFull = true;
  const createWritable = FileSystemFileHandle.prototype.createWritable;
  vi.spyOn(FileSystemFileHandle.prototype, 'createWritable').mockImplementation(async function (
    this: FileSystemFileHandle,
  ) {
    const stream = await createWritable.call(this);
    // In the middle of the fifth face.
    if (isFull && this.name.endsWith('.png') && ++writes >= 5)
      vi.spyOn(stream, 'close').mockRejectedValue(new DOMException('Full.', 'QuotaExceededError'));
    return stream;
  });
  const { end } = run();
  await expect(end).rejects.toMatchObject({
    name: 'StorageFullError',
    message: expect.stringMatching(/not enough space.*\.png.*has been written so far is kept/),
  });
  const faces = await wholeFaces();
  expect(faces).toHaveLength(4);
  isFull = false;
  expect(await run().end).toMatchObject({ skippedExisting: 4, successfullyAligned: PHOTOS, failures: [] });
  expect(await wholeFaces()).toHaveLength(PHOTOS);
});

it('stopped in the middle and run again: existing faces are skipped, and all of them are complete', async () => {
  const first = run((event, control) => {
    if (event.kind === 'aligned') control.cancel();
  });
  const { successfullyAligned, cancelled } = await first.end;
  expect(cancelled).toBe(true);
  expect(successfullyAligned).toBeLessThan(PHOTOS);
  expect(await wholeFaces()).toHaveLength(successfullyAligned);
  expect(await listedFaces()).toEqual(await wholeFaces());
  const second = run();
  expect(await second.end).toMatchObject({
    skippedExisting: successfullyAligned,
    successfullyAligned: PHOTOS,
    totalImages: PHOTOS,
  });
  expect(second.events.filter(({ kind }) => kind === 'aligned')).toHaveLength(PHOTOS - successfullyAligned);
  expect(await listedFaces()).toEqual(await wholeFaces());
});

describe('on the GPU', () => {
  const options = { ...DEFAULT_ALIGN_OPTIONS, minsize: 40 };
  /** Two groups, which are in progress at the same time. */
  const paths = Array.from(
    { length: 12 },
    (_, index) => `${1 + (index % 5)}/${String(index).padStart(2, '0')}.jpg`,
  );

  /** Destroys the device at requests for results, from the second to the `last` one. */
  function loseDevices(last: number): void {
    const devices: GPUDevice[] = [];
    const requestDevice = GPUAdapter.prototype.requestDevice;
    vi.spyOn(GPUAdapter.prototype, 'requestDevice').mockImplementation(async function (
      this: GPUAdapter,
      descriptor,
    ) {
      devices.push(await requestDevice.call(this, descriptor));
      return devices.at(-1)!;
    });
    const mapAsync = GPUBuffer.prototype.mapAsync;
    let calls = 0;
    vi.spyOn(GPUBuffer.prototype, 'mapAsync').mockImplementation(function (this: GPUBuffer, ...values) {
      if (++calls >= 2 && calls <= last) devices.at(-1)!.destroy();
      return mapAsync.apply(this, values);
    });
  }

  it('a GPU lost in the middle is asked for again: no photo is left out', async () => {
    loseDevices(2);
    const { end } = run(undefined, { backend: 'webgpu', options, paths });
    expect(await end).toMatchObject({ successfullyAligned: paths.length, failures: [] });
    expect(await wholeFaces()).toHaveLength(paths.length);
  });

  it('a GPU that does not come back ends the job with a name; the processor does the rest later', async () => {
    loseDevices(2);
    const requestAdapter = GPU.prototype.requestAdapter;
    let asked = 0;
    // Once for the device's name, once for the detector.
    vi.spyOn(GPU.prototype, 'requestAdapter').mockImplementation(function (this: GPU, ...values) {
      return ++asked <= 2 ? requestAdapter.apply(this, values) : Promise.resolve(null);
    });
    const { end } = run(undefined, { backend: 'webgpu', options, paths });
    await expect(end).rejects.toMatchObject({
      name: 'DeviceLostError',
      message: expect.stringMatching(/faces written so far are kept.*backend wasm/),
    });
    const faces = await wholeFaces();
    const { successfullyAligned, skippedExisting, failures } = await run(undefined, { paths, options }).end;
    expect(skippedExisting).toBe(faces.length);
    expect(successfullyAligned).toBe(paths.length);
    expect(failures).toEqual([]);
  });
});
