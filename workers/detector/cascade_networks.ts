/** The three networks as the cascade asks them: about photos, not about tensors. */
import type { BusyClock } from '../common/busy_clock.ts';
import type { BackendMemory } from '../protocol/device.ts';
import type { Box, Candidate } from './boxes.ts';
import type { ONetOutput, RNetOutput } from './network_outputs.ts';
import type { CascadePhoto } from './photo.ts';

/** The networks over some photos that they have at hand. Boxes are lists a photo. */
export interface PhotoNetworks {
  /** P-Net: the boxes of each photo's levels whose face probability reaches the threshold, not yet suppressed. */
  propose(threshold: number): Promise<Candidate[][][]>;
  /** R-Net. @returns the outputs of all boxes, photo after photo */
  refine(boxes: readonly (readonly Box[])[]): Promise<RNetOutput>;
  /** O-Net. @returns the outputs of all boxes, photo after photo */
  output(boxes: readonly (readonly Box[])[]): Promise<ONetOutput>;
}

export interface CascadeNetworks {
  /** How long they were busy. */
  readonly clock: BusyClock;
  /** The photos in groups that are looked at together, in order. */
  groups<Photo extends CascadePhoto>(photos: readonly Photo[]): Photo[][];
  /** Has the photos at hand while `work` goes on. */
  look<Value>(
    photos: readonly CascadePhoto[],
    work: (networks: PhotoNetworks) => Promise<Value>,
  ): Promise<Value>;
  memory(): BackendMemory;
  dispose(): void;
}
