/** What jobs run on: the one place that every page asks, so that no two of them contradict each other. */
import { deviceKind, type DeviceInfo, type DeviceKind } from '../../workers/protocol/device.ts';
import { problemOf } from '../ui/errors.ts';
import { libraryWorker } from './workers.ts';

export class DeviceState {
  /** Undefined until it is known. */
  info = $state.raw<DeviceInfo | undefined>();
  readonly kind = $derived<DeviceKind | undefined>(this.info && deviceKind(this.info));
  #describing: Promise<DeviceInfo | undefined> | undefined;

  /** Looks once, unless that failed. */
  describe(): Promise<DeviceInfo | undefined> {
    this.#describing ??= this.#describe();
    return this.#describing;
  }

  async #describe(): Promise<DeviceInfo | undefined> {
    try {
      this.info = await libraryWorker.call((api) => api.describeDevice());
      return this.info;
    } catch (error) {
      // Jobs look for themselves, and say what is wrong.
      problemOf(error);
      this.#describing = undefined;
      return undefined;
    }
  }
}
