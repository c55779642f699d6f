/**
 * The table of distances to the class centre that filters a dataset: as text, or as the original's
 * calculate_filtering_metrics writes it, an HDF5 file with the datasets image_list and distance_to_center (and
 * label_list and class_names, which the images' paths tell as well).
 *
 * Bounds. A table has at most 256 MiB. Text is read in time and memory linear in it; HDF5 has the bounds of hdf5.ts.
 */
import { DistanceTableError, imageKey, parseDistanceTable, type ImageDistance } from '../training/filter.ts';
import { isHdf5, readHdf5 } from './hdf5.ts';

/** Ten million images. */
const MAXIMUM_BYTES = 256 * 1024 * 1024;

/** @throws DistanceTableError, Hdf5Error */
export async function readDistanceTable(file: Blob | string): Promise<ImageDistance[]> {
  if (typeof file === 'string') return parseDistanceTable(file);
  if (file.size > MAXIMUM_BYTES)
    throw new DistanceTableError(
      0,
      `The filter table has ${file.size} bytes, more than the ${MAXIMUM_BYTES} that are allowed. Choose the table that was made for this dataset.`,
    );
  const bytes = new Uint8Array(await file.arrayBuffer());
  return isHdf5(bytes) ? readHdf5Table(bytes) : parseDistanceTable(new TextDecoder().decode(bytes));
}

function readHdf5Table(bytes: Uint8Array<ArrayBuffer>): Promise<ImageDistance[]> {
  return readHdf5(bytes, (file) => {
    const paths = file.texts('image_list');
    const distances = file.numbers('distance_to_center');
    if (paths.length !== distances.length)
      throw new DistanceTableError(
        0,
        `The filter table has ${paths.length} images and ${distances.length} distances: it is not whole.`,
      );
    if (paths.length === 0) throw new DistanceTableError(0, 'The filter table is empty.');
    return paths.map((path, index) => {
      const distance = distances[index]!;
      if (imageKey(path) === undefined || !Number.isFinite(distance))
        throw new DistanceTableError(
          0,
          `Image ${index + 1} of the filter table, "${path.slice(0, 120)}" at a distance of ${distance}, cannot be used: a path needs a class folder, and a distance is a number.`,
        );
      return { path, distance };
    });
  });
}
