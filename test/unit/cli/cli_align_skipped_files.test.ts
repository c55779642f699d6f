/**
 * align and detect, with a session whose jobs run in this process and a detector that knows a photo by its text: for
 * any tree of files, those that are used, left out by reason and failed are all files, in what is printed and in
 * --json.
 */
import fc from 'fast-check';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import type { BrowserSession } from '../../../cli/browser/browser_session.ts';
import { alignCommand } from '../../../cli/commands/align.ts';
import { detectCommand } from '../../../cli/commands/detect.ts';
import { photoFormatOfPath } from '../../../workers/protocol/data/photo_formats.ts';
import { align } from '../../../workers/jobs/align/align_job.ts';
import { detect } from '../../../workers/jobs/align/detect_job.ts';
import type { JobControl } from '../../../workers/protocol/job_control.ts';
import type {
  AlignEvent,
  AlignFailure,
  AlignOptions,
  AlignRequest,
  DetectionRecord,
} from '../../../workers/protocol/align/align.ts';
import type { DirectoryReference } from '../../../workers/protocol/data/dataset.ts';
import {
  describeSkipped,
  skippedPhotoCount,
  type SkippedFiles,
} from '../../../workers/protocol/data/skipped_files.ts';
import { patternedPng } from '../../e2e/helpers/patterned_png.ts';
import { runCommand } from './run_command.ts';

const LFS_POINTER = 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n';
const FACE = { box: [10, 10, 60, 60], score: 1, landmarksX: [1, 2, 3, 4, 5], landmarksY: [1, 2, 3, 4, 5] };

/** Finds two faces in a photo whose text is "2 faces". */
async function search(blob: Blob, path: string): Promise<unknown> {
  const count = /^(\d) faces$/.exec(await blob.text())?.[1];
  if (count === undefined) throw new Error(`${path} cannot be read.`);
  const png = new Uint8Array(patternedPng(8, 1, 1));
  return {
    detection: { faces: Array.from({ length: Number(count) }, () => FACE), rNetCount: 1, oNetCount: 1 },
    photo: {
      ...{ width: 200, height: 100, digest: path, close: () => undefined },
      align: async (boxes: readonly unknown[]) => ({ files: boxes.map(() => png) }),
    },
  };
}

vi.mock('../../../workers/jobs/photo_pool.ts', () => ({
  PhotoPool: class {
    readonly size = 2;
    search(files: readonly { blob: Blob; path: string }[]) {
      return Promise.allSettled(files.map(({ blob, path }) => search(blob, path)));
    }
    async times() {
      return { decodeMs: 0, resizeMs: 0, encodeMs: 0, networksMs: 0 };
    }
    dispose() {}
  },
}));
vi.mock('../../../workers/detector/detector.ts', () => ({
  FaceDetector: {
    create: async () => ({
      device: { backend: 'wasm', adapter: '' },
      networksMs: 0,
      dispose: () => undefined,
    }),
  },
}));

const root = mkdtempSync(join(tmpdir(), 'facenet-test-'));
const out = mkdtempSync(join(tmpdir(), 'facenet-test-'));
afterAll(() => {
  for (const folder of [root, out]) rmSync(folder, { recursive: true });
});

/** The part of a browser session that the commands use. */
function sessionOf(files: Readonly<Record<string, string>>): BrowserSession {
  const folder: DirectoryReference = {
    kind: 'files',
    name: 'photos',
    files: Object.entries(files).map(([path, text]) => ({ path, file: new File([text], path) })),
  };
  const session = {
    openFolder: () => folder,
    align: {
      align: (request: AlignRequest, control: JobControl, onEvent: (event: AlignEvent) => void) =>
        align(
          { ...request, output: { kind: 'zip', stream: new WritableStream<Uint8Array>() } },
          onEvent,
          control,
        ),
      detect: (
        input: readonly DirectoryReference[],
        options: AlignOptions,
        _backend: unknown,
        control: JobControl,
        onRecord: (record: DetectionRecord, done: number, total: number) => void,
      ) => detect(input, options, undefined, onRecord, control),
    },
  };
  return session as unknown as BrowserSession;
}

const path = fc
  .tuple(
    fc.array(fc.constantFrom('A', 'Ben', 'C d'), { maxLength: 3 }),
    fc.constantFrom('a', 'b.c', 'Ünï', 'J\\xFCrgen', 'bounding_boxes_00001', 'pairs'),
    fc.constantFrom(
      ...['jpg', 'PNG', 'webp', 'tiff', 'ppm', 'jp2', 'ico', 'heic'],
      ...['txt', 'jsonl', 'mp4', 'json'],
    ),
  )
  .map(([folders, stem, end]) => [...folders, `${stem}.${end}`].join('/'));
const content = fc.constantFrom('0 faces', '1 faces', '2 faces', '', 'no picture', LFS_POINTER);
/** There is at least one photo, because a folder without photos is refused. */
const tree = fc
  .dictionary(path, content, { maxKeys: 40 })
  .map((files) => ({ ...files, 'Ann/1.jpg': '1 faces' }));

function countOf(skipped: readonly SkippedFiles[]): number {
  return skipped.reduce((sum, { count }) => sum + count, 0);
}

describe('files that are aligned, searched, left out and failed are all files', () => {
  it.each([[[]], [['--detect_multiple_faces']]])('in align %j', async (flags: string[]) => {
    await fc.assert(
      fc.asyncProperty(tree, async (files) => {
        const { text, json } = await runCommand(alignCommand, [root, out, ...flags], sessionOf(files));
        const lines = text.split('\n');
        const { total_images, successfully_aligned, failures, skipped } = json as {
          total_images: number;
          successfully_aligned: number;
          failures: readonly AlignFailure[];
          skipped: readonly SkippedFiles[];
        };
        const paths = Object.keys(files);
        expect(successfully_aligned + failures.length).toBe(total_images);
        expect(total_images + countOf(skipped)).toBe(paths.length);
        const photos = paths.filter((one) => photoFormatOfPath(one) !== undefined);
        expect(total_images + skippedPhotoCount(skipped)).toBe(photos.length);
        expect(lines).toContain(`Total number of images: ${total_images}`);
        expect(lines).toContain(`Number of successfully aligned images: ${successfully_aligned}`);
        for (const { path: failed, message } of failures) {
          expect(files).toHaveProperty([failed]);
          expect(lines).toContain(`Unable to align "${failed}": ${message}`);
        }
        for (const sentence of describeSkipped(skipped)) expect(lines).toContain(sentence);
      }),
      { numRuns: 60 },
    );
  });

  it('in detect', async () => {
    const found = join(out, 'faces.jsonl');
    await fc.assert(
      fc.asyncProperty(tree, async (files) => {
        const { text, json } = await runCommand(detectCommand, [root, found], sessionOf(files));
        const lines = text.split('\n');
        const { images, faces, failures, skipped } = json as {
          images: number;
          faces: number;
          failures: number;
          skipped: readonly SkippedFiles[];
        };
        expect(images + countOf(skipped)).toBe(Object.keys(files).length);
        const records = readFileSync(found, 'utf8')
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line) as DetectionRecord);
        expect(new Set(records.map(({ image }) => image)).size).toBe(images);
        expect(records.reduce((sum, record) => sum + record.faces.length, 0)).toBe(faces);
        const failed = records.filter(({ error }) => error !== undefined);
        expect(failed).toHaveLength(failures);
        for (const { image, error } of failed) expect(lines).toContain(`Unable to read "${image}": ${error}`);
        for (const sentence of describeSkipped(skipped)) expect(lines).toContain(sentence);
        const unreadable = failures > 0 ? ` (${failures} unreadable)` : '';
        expect(lines).toContain(`${faces} faces in ${images} photos${unreadable}: ${found}`);
      }),
      { numRuns: 60 },
    );
  });
});
