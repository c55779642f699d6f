/** Entry point: a dataset as a model sees it. */
import { expose, transfer } from 'comlink';
import { DEFAULT_NEIGHBOUR_MAP } from './jobs/use/inspect_map.ts';
import { InspectedPhotos } from './jobs/use/inspect_photos.ts';
import type { EmbeddedPhotos, InspectFindings, InspectWorkerApi } from './protocol/use/inspect.ts';
import './rpc/job_control_transfer.ts';

export class NothingInspectedError extends Error {
  override name = 'NothingInspectedError';
  constructor() {
    super('The embeddings of the photos are no longer in memory. Inspect the dataset again.');
  }
}

let held: { photos: EmbeddedPhotos; inspected: InspectedPhotos; findings?: InspectFindings } | undefined;

function requireHeld(): NonNullable<typeof held> {
  if (!held) throw new NothingInspectedError();
  return held;
}

const api: InspectWorkerApi = {
  async embed(request, control, onProgress) {
    // What runs networks is large; a worker that only holds embeddings does not load it.
    const [{ embedPhotos }, { withModel }] = await Promise.all([
      import('./jobs/use/inspect_embed.ts'),
      import('./jobs/models/model_job.ts'),
    ]);
    const photos = await withModel(request, control, (loaded, { createEmbedder, read }) =>
      embedPhotos(loaded, request, createEmbedder, control, onProgress, read),
    );
    return transfer(photos, [photos.folders.buffer, photos.labels.buffer, photos.embeddings.buffer]);
  },
  async hold(photos) {
    held = { photos, inspected: new InspectedPhotos(photos) };
  },
  async map(isLeftOut, control, onShare) {
    return requireHeld().inspected.map(isLeftOut, control, onShare);
  },
  async mapByNeighbours(control, onProgress) {
    return requireHeld().inspected.mapByNeighbours(DEFAULT_NEIGHBOUR_MAP, control, onProgress);
  },
  async inspect(isLeftOut, control, onShare) {
    const now = requireHeld();
    now.findings = await now.inspected.inspect(isLeftOut, control, onShare);
    return now.findings;
  },
  async buildFilterTable() {
    const { photos, findings } = requireHeld();
    if (!findings) throw new NothingInspectedError();
    const { filterTable } = await import('./jobs/use/inspect_report.ts');
    return new Blob([filterTable(photos, findings)], { type: 'text/tab-separated-values' });
  },
  async report(request, control, onProgress) {
    const [{ reportOnPhotos }, { withModel }] = await Promise.all([
      import('./jobs/use/inspect_report.ts'),
      import('./jobs/models/model_job.ts'),
    ]);
    return withModel(request, control, (loaded, { createEmbedder, read }) =>
      reportOnPhotos(loaded, request, createEmbedder, control, onProgress, read),
    );
  },
};

expose(api);
