/**
 * What a model sees in a dataset, once its embeddings are there: a map, photos that do not look like their class, and
 * people or pictures that are there twice. All of it is done again in moments when photos are left out.
 */
import { EmbeddingsNotFiniteError } from '../../evaluation/errors.ts';
import type { LabelledRows } from '../../evaluation/inspection/class_centres.ts';
import type { Rows } from '../../evaluation/inspection/dot_products.ts';
import { findNearIdentities, findNearPhotos } from '../../evaluation/inspection/near_duplicates.ts';
import { findSuspects, measureFits } from '../../evaluation/inspection/outliers.ts';
import { findPrincipalComponents, projectRows } from '../../evaluation/inspection/principal_components.ts';
import { part, type Sliced } from '../../evaluation/inspection/sliced.ts';
import type { EmbeddedPhotos, InspectFindings, PhotoMap } from '../../protocol/use/inspect.ts';
import type { JobControl } from '../../protocol/job_control.ts';
import { mapByNeighbours, type NeighbourMapOptions } from './inspect_map.ts';
import { inSlices } from '../slices.ts';

/** Neighbours are sought along so many directions: what is beyond is mostly noise, and takes time. */
const MAP_COMPONENTS = 50;

export class InspectedPhotos {
  readonly #photos: LabelledRows;
  #coordinates: Rows | undefined;

  /** @throws EmbeddingsNotFiniteError */
  constructor({ embeddings, dimension, labels, classNames }: EmbeddedPhotos) {
    if (!embeddings.every(Number.isFinite)) throw new EmbeddingsNotFiniteError();
    this.#photos = { values: embeddings, dimension, labels, classCount: classNames.length };
  }

  /**
   * By the two principal components.
   * @param isLeftOut 1 for photos that the directions are not made of; they have a place all the same
   * @throws EvaluationCancelledError
   */
  async map(
    isLeftOut: Uint8Array,
    control: JobControl,
    onShare?: (share: number) => void,
  ): Promise<PhotoMap> {
    const { coordinates, shares } = await inSlices(this.#project(isLeftOut), control, onShare);
    this.#coordinates = coordinates;
    const { values, dimension } = coordinates;
    const positions = new Float32Array((2 * values.length) / dimension);
    for (let row = 0; 2 * row < positions.length; row++)
      for (let axis = 0; axis < 2; axis++) positions[2 * row + axis] = values[row * dimension + axis] ?? 0;
    return { positions, shares };
  }

  *#project(isLeftOut: Uint8Array): Sliced<{ coordinates: Rows; shares: [number, number] }> {
    const components = yield* part(0, 0.8, findPrincipalComponents(this.#photos, MAP_COMPONENTS, isLeftOut));
    const coordinates = yield* part(0.8, 1, projectRows(this.#photos, components));
    const share = (axis: number): number =>
      components.totalVariance > 0 ? (components.variances[axis] ?? 0) / components.totalVariance : 0;
    return { coordinates, shares: [share(0), share(1)] };
  }

  /** By neighbourhood. @throws TooFewPhotosError, EvaluationCancelledError */
  async mapByNeighbours(
    options: NeighbourMapOptions,
    control: JobControl,
    onProgress?: (share: number, positions?: Float32Array) => void,
  ): Promise<Float32Array<ArrayBuffer>> {
    const coordinates = await this.#coordinatesFor(control);
    return mapByNeighbours(coordinates, options, control, onProgress);
  }

  /** Photos that are left out are measured, and nothing is measured with them. @throws EvaluationCancelledError */
  async inspect(
    isLeftOut: Uint8Array,
    control: JobControl,
    onShare?: (share: number) => void,
  ): Promise<InspectFindings> {
    const coordinates = await this.#coordinatesFor(control);
    const photos = { ...this.#photos, isLeftOut };
    function* inspect(): Sliced<InspectFindings> {
      const fits = yield* part(0, 0.5, measureFits(photos));
      const identities = yield* part(0.5, 0.8, findNearIdentities(photos));
      const copies = yield* part(0.8, 1, findNearPhotos(photos, coordinates));
      return { fits, suspects: findSuspects(fits, isLeftOut), identities, copies };
    }
    return inSlices(inspect(), control, onShare);
  }

  async #coordinatesFor(control: JobControl): Promise<Rows> {
    if (!this.#coordinates) await this.map(new Uint8Array(this.#photos.labels.length), control);
    return this.#coordinates!;
  }
}
