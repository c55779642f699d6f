/** What is suspicious in a dataset, in words for the terminal, and the table that filters it. */
import { readClasses } from '../../files/classes.ts';
import { openDirectories } from '../../files/open.ts';
import type { LoadedModel } from '../../models/loaded_model.ts';
import type { EvaluationProgress } from '../../protocol/evaluate/evaluate.ts';
import type {
  EmbeddedPhotos,
  InspectFindings,
  InspectReport,
  InspectRequest,
  NearPairs,
} from '../../protocol/use/inspect.ts';
import type { EmbedderFactory } from '../../compute/executor.ts';
import { formatDistanceTable } from '../../formats/distance_table.ts';
import { makeDistanceTable } from '../train/distance_table_job.ts';
import type { ReadImage } from '../embed.ts';
import type { JobControl } from '../../protocol/job_control.ts';
import { embedPhotos, MOST_PHOTOS } from './inspect_embed.ts';
import { InspectedPhotos } from './inspect_photos.ts';

/**
 * Of a dataset with more photos than can be looked at at once, the table only: it needs the embeddings of one class at
 * a time.
 * @param most photos that can be looked at at once
 * @throws NoImagesError, EvaluationCancelledError, PermissionLostError, and what the executor throws
 */
export async function reportOnPhotos(
  model: LoadedModel,
  request: Pick<InspectRequest, 'data' | 'batch_size' | 'image_size'>,
  createEmbedder: EmbedderFactory,
  control: JobControl,
  onProgress?: (progress: EvaluationProgress) => void,
  read?: ReadImage,
  most = MOST_PHOTOS,
): Promise<InspectReport> {
  const { imageCount } = await readClasses(await openDirectories(request.data), undefined, control.signal);
  if (imageCount > most) {
    const { data: images, batch_size } = request;
    const { text, classCount, ...counts } = await makeDistanceTable(
      { ...model, imageSize: request.image_size ?? model.imageSize },
      { images, batch_size },
      createEmbedder,
      control,
      onProgress,
      read,
    );
    return {
      classCount,
      imageCount: counts.imageCount,
      failures: counts.failures,
      skipped: counts.skipped,
      table: text,
    };
  }
  const photos = await embedPhotos(model, request, createEmbedder, control, onProgress, read);
  const isLeftOut = new Uint8Array(photos.labels.length);
  const findings = await new InspectedPhotos(photos).inspect(isLeftOut, control);
  return {
    classCount: photos.classNames.length,
    imageCount: photos.labels.length,
    failures: photos.failures,
    skipped: photos.skipped,
    table: filterTable(photos, findings),
    findings: describeFindings(photos, findings),
  };
}

/** Without the photos that are left out. */
export function filterTable(photos: EmbeddedPhotos, { fits }: InspectFindings): string {
  return formatDistanceTable(
    photos.paths
      .split('\0')
      .map((path, row) => ({ path, distance: fits.centreDistances[row]! }))
      .filter(({ distance }) => !Number.isNaN(distance)),
  );
}

function describeFindings(
  { paths, classNames }: EmbeddedPhotos,
  { fits, suspects, identities, copies }: InspectFindings,
): InspectReport['findings'] {
  const names = paths.split('\0');
  const pairsOf = (
    { first, second, distances }: NearPairs,
    nameOf: (place: number) => string,
    threshold: number,
  ): { first: string; second: string; distance: number }[] =>
    Array.from(distances, (distance, at) => ({
      first: nameOf(first[at]!),
      second: nameOf(second[at]!),
      distance,
    })).filter(({ distance }) => distance <= threshold);
  return {
    suspects: Array.from(suspects, (row) => {
      const other = fits.nearestClasses[row]!;
      return {
        path: names[row]!,
        distance: fits.ownDistances[row]!,
        ...(other < 0 ? {} : { looksLike: classNames[other]!, otherDistance: fits.nearestDistances[row]! }),
      };
    }),
    identities: pairsOf(identities, (label) => classNames[label]!, identities.threshold),
    copies: pairsOf(copies, (row) => names[row]!, copies.threshold),
  };
}
