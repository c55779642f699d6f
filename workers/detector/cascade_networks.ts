/** The interface between the cascade and the three networks, in terms of photos instead of tensors. */
import type { BusyClock } from '../common/busy_clock.ts';
import type { BackendMemory } from '../protocol/device.ts';
import type { Box, Candidate } from './boxes.ts';
import type { ONetOutput, RNetOutput } from './network_outputs.ts';
import type { CascadePhoto } from './photo.ts';

/** The networks with some loaded photos. Boxes are one list per photo. */
export interface PhotoNetworks {
  /** P-Net: the boxes of each photo's levels whose face probability reaches the threshold, not yet suppressed. */
  propose(threshold: number): Promise<Candidate[][][]>;
  /** R-Net. @returns the outputs of all boxes, photo after photo */
  refine(boxes: readonly (readonly Box[])[]): Promise<RNetOutput>;
  /** O-Net. @returns the outputs of all boxes, photo after photo */
  output(boxes: readonly (readonly Box[])[]): Promise<ONetOutput>;
}

export interface CascadeNetworks {
  /** How long the networks were busy. */
  readonly clock: BusyClock;
  /** Divides the photos, in order, into groups that are processed together. */
  groups<Photo extends CascadePhoto>(photos: readonly Photo[]): Photo[][];
  /** Loads the photos, and keeps them loaded while `work` runs. */
  look<Value>(
    photos: readonly CascadePhoto[],
    work: (networks: PhotoNetworks) => Promise<Value>,
  ): Promise<Value>;
  memory(): BackendMemory;
  dispose(): void;
}
