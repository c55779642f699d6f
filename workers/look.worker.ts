/** Entry point: a dataset as a model sees it. */
import { expose, transfer } from 'comlink';
import type { JobControl } from './protocol/job_control.ts';
import { DEFAULT_NEIGHBOUR_MAP } from './jobs/use/look_map.ts';
import { LookedAtPhotos } from './jobs/use/look_photos.ts';
import type { BackendName } from './protocol/device.ts';
import type { EmbeddedPhotos, LookFindings, LookWorkerApi } from './protocol/use/look.ts';
import type { ModelReference } from './protocol/models/models.ts';
import './rpc/job_control_transfer.ts';

export class NothingLookedAtError extends Error {
  override name = 'NothingLookedAtError';
  constructor() {
    super('The embeddings of the photos are gone. Look at the dataset again.');
  }
}

let held: { photos: EmbeddedPhotos; lookedAt: LookedAtPhotos; findings?: LookFindings } | undefined;

function requireHeld(): NonNullable<typeof held> {
  if (!held) throw new NothingLookedAtError();
  return held;
}

/** What runs networks is large; a worker that only holds embeddings does not load it. */
async function prepare(model: ModelReference, backend: BackendName | undefined, control: JobControl) {
  const { loadForJob } = await import('./jobs/models/load_for_job.ts');
  const { chooseExecutor } = await import('./jobs/executors.ts');
  const loaded = await loadForJob(model, control);
  return { loaded, create: (await chooseExecutor({ backend })).create };
}

const api: LookWorkerApi = {
  async embed(request, control, onProgress) {
    const { embedPhotos } = await import('./jobs/use/look_embed.ts');
    const { loaded, create } = await prepare(request.model, request.backend, control);
    const photos = await embedPhotos(loaded, request, create, control, onProgress);
    return transfer(photos, [photos.folders.buffer, photos.labels.buffer, photos.embeddings.buffer]);
  },
  async hold(photos) {
    held = { photos, lookedAt: new LookedAtPhotos(photos) };
  },
  async map(isLeftOut, control, onShare) {
    return requireHeld().lookedAt.map(isLeftOut, control, onShare);
  },
  async mapByNeighbours(control, onProgress) {
    return requireHeld().lookedAt.mapByNeighbours(DEFAULT_NEIGHBOUR_MAP, control, onProgress);
  },
  async inspect(isLeftOut, control, onShare) {
    const now = requireHeld();
    now.findings = await now.lookedAt.inspect(isLeftOut, control, onShare);
    return now.findings;
  },
  async buildFilterTable() {
    const { photos, findings } = requireHeld();
    if (!findings) throw new NothingLookedAtError();
    const { filterTable } = await import('./jobs/use/look_report.ts');
    return new Blob([filterTable(photos, findings)], { type: 'text/tab-separated-values' });
  },
  async report(request, control, onProgress) {
    const { reportOnPhotos } = await import('./jobs/use/look_report.ts');
    const { loaded, create } = await prepare(request.model, request.backend, control);
    return reportOnPhotos(loaded, request, create, control, onProgress);
  },
};

expose(api);
