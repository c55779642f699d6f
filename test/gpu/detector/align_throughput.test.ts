/**
 * Photos per second of a whole alignment, on the private photos of ../shared/data, if they exist. This is more a
 * measurement than a test. `VITE_REFERENCE_BACKEND=webgpu` chooses the backend, and `VITE_THROUGHPUT_ROUNDS` repeats
 * it.
 */
import { expect, it } from 'vitest';
import { align } from '../../../workers/jobs/align/align_job.ts';
import { JobControl } from '../../../workers/protocol/job_control.ts';
import { DEFAULT_ALIGN_OPTIONS } from '../../../workers/protocol/align/align.ts';
import type { BackendName } from '../../../workers/protocol/device.ts';
import { readExpected, readReference } from './mtcnn_reference_data.ts';

const environment = import.meta.env as Record<string, string | undefined>;
const expected = (await readExpected()).filter(({ image }) => image.startsWith('lfw-original/'));
const photos = expected.slice(0, environment.VITE_THROUGHPUT_ROUNDS ? undefined : 24);

it.skipIf(photos.length === 0)('aligns a folder', async () => {
  const files = await Promise.all(
    photos.map(async ({ image }) => {
      const path = image.slice(image.indexOf('/') + 1);
      return { path, file: new File([(await readReference(image))!], path) };
    }),
  );
  for (let round = 0; round < Number(environment.VITE_THROUGHPUT_ROUNDS ?? 1); round++) {
    const root = await navigator.storage.getDirectory();
    await root.removeEntry('throughput', { recursive: true }).catch(() => undefined);
    const summary = await align(
      {
        input: [{ kind: 'files', name: 'lfw-original', files }],
        output: { kind: 'directory', directory: { kind: 'private', path: 'throughput' } },
        options: DEFAULT_ALIGN_OPTIONS,
        backend: (environment.VITE_REFERENCE_BACKEND ?? 'wasm') as BackendName,
      },
      () => undefined,
      new JobControl(),
    );
    console.log(`${((1000 * files.length) / summary.durationMs).toFixed(2)} photos/s, start included`);
    expect(summary.failures).toEqual([]);
    expect(summary.successfullyAligned).toBe(files.length);
  }
});
