/** The page of the benchmark. It makes large photos with many small heads, and aligns them. */
import { proxy, wrap } from 'comlink';
import astronautUrl from '../../test/fixtures/astronaut.png?url';
import { JobControl } from '../../workers/protocol/job_control.ts';
import '../../workers/rpc/job_control_transfer.ts';
import {
  DEFAULT_ALIGN_OPTIONS,
  type AlignEvent,
  type AlignWorkerApi,
} from '../../workers/protocol/align/align.ts';
import type { DirectoryReference } from '../../workers/protocol/data/dataset.ts';
import {
  HEAD_PX,
  headPlace,
  HEADS,
  type LargePhoto,
  type LargePhotoRequest,
  type LargePhotoResult,
  type LargePhotosPage,
} from './large_photos.ts';

const OUTPUT = 'bench-large-photos';

/** The place of the head in the astronaut's picture, pixels. */
const [HEAD_X, HEAD_Y, HEAD_SIDE] = [130, 0, 200];

async function make({ width, height, orientation }: LargePhoto): Promise<string> {
  const head = await createImageBitmap(await (await fetch(astronautUrl)).blob());
  const isTurned = orientation === 6;
  const canvas = isTurned ? new OffscreenCanvas(height, width) : new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d', { willReadFrequently: true })!;
  // Stored so that a rotation to the right by 90° makes it upright.
  if (isTurned) {
    context.translate(0, width);
    context.rotate(-Math.PI / 2);
  }
  const background = context.createLinearGradient(0, 0, width, height);
  background.addColorStop(0, 'rgb(70 66 63)');
  background.addColorStop(1, 'rgb(170 162 153)');
  context.fillStyle = background;
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = 'high';
  for (let index = 0; index < HEADS; index++) {
    const [x, y] = headPlace({ width, height, orientation }, index);
    context.drawImage(head, HEAD_X, HEAD_Y, HEAD_SIDE, HEAD_SIDE, x, y, HEAD_PX, HEAD_PX);
  }
  const jpeg = new Uint8Array(
    await (await canvas.convertToBlob({ type: 'image/jpeg', quality: 0.88 })).arrayBuffer(),
  );
  return base64Of(isTurned ? withOrientation(jpeg, orientation) : jpeg);
}

/** Inserts an EXIF segment after the beginning of the file. */
function withOrientation(jpeg: Uint8Array, orientation: number): Uint8Array<ArrayBuffer> {
  const exif = [
    ...[0x45, 0x78, 0x69, 0x66, 0, 0, 0x4d, 0x4d, 0, 42, 0, 0, 0, 8],
    ...[0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0],
  ];
  return Uint8Array.from([0xff, 0xd8, 0xff, 0xe1, 0, exif.length + 2, ...exif, ...jpeg.subarray(2)]);
}

async function align({
  url,
  backend,
  minsize,
  imageSize,
  margin,
}: LargePhotoRequest): Promise<LargePhotoResult> {
  const worker = new Worker(new URL('../../workers/align.worker.ts', import.meta.url), { type: 'module' });
  const api = wrap<AlignWorkerApi>(worker);
  const root = await navigator.storage.getDirectory();
  await root.removeEntry(OUTPUT, { recursive: true }).catch(() => undefined);
  const file = new File([await (await fetch(url)).blob()], 'photo.jpg');
  const input: DirectoryReference = {
    kind: 'files',
    name: 'photos',
    files: [{ path: 'person/photo.jpg', file }],
  };
  let [width, height] = [0, 0];
  const startedAt = performance.now();
  try {
    const { failures } = await api.align(
      {
        input: [input],
        output: { kind: 'directory', directory: { kind: 'private', path: OUTPUT } },
        options: {
          ...DEFAULT_ALIGN_OPTIONS,
          ...{ minsize, image_size: imageSize, margin, detect_multiple_faces: true },
        },
        backend,
      },
      new JobControl(),
      proxy((event: AlignEvent) => {
        if (event.kind === 'aligned') ({ width, height } = event);
      }),
    );
    const durationMs = performance.now() - startedAt;
    return { width, height, durationMs, failure: failures[0]?.message, faces: await readFaces() };
  } finally {
    worker.terminate();
  }
}

async function readFaces(): Promise<LargePhotoResult['faces']> {
  const root = await navigator.storage.getDirectory();
  const output = await root.getDirectoryHandle(OUTPUT);
  const faces: { box: number[]; png: string }[] = [];
  for await (const [name, handle] of output as unknown as AsyncIterable<[string, FileSystemHandle]>) {
    if (!name.startsWith('bounding_boxes') || handle.kind !== 'file') continue;
    const lines = (await (await (handle as FileSystemFileHandle).getFile()).text()).trim().split('\n');
    for (const line of lines) {
      const found = /^person\/(\S+\.png) (\d+) (\d+) (\d+) (\d+)$/.exec(line);
      if (!found) continue;
      const person = await output.getDirectoryHandle('person');
      const file = await (await person.getFileHandle(found[1]!)).getFile();
      const png = base64Of(new Uint8Array(await file.arrayBuffer()));
      faces.push({ box: found.slice(2).map(Number), png });
    }
  }
  return faces;
}

function base64Of(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 30_000)
    text += btoa(String.fromCharCode(...bytes.subarray(at, at + 30_000)));
  return text;
}

(globalThis as unknown as LargePhotosPage).largePhotos = { make, align };
