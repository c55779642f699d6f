/**
 * The GPU device that runs the engine. It is requested with the adapter's own limits. It is watched: an error that the
 * device reports at any time ends the run with a named error instead of wrong numbers.
 */
import { isSoftwareAdapter } from './software_adapter.ts';
import {
  DeviceLostError,
  EngineClosedError,
  GpuError,
  GpuOutOfMemoryError,
  WebGpuUnavailableError,
} from './errors.ts';
import { kernelInMessage, nameInMessage } from './device_messages.ts';

/** Limits that are requested at the adapter's own values. */
const LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupStorageSize',
] as const;

/** Features that are used if the adapter has them. */
const FEATURES: readonly string[] = ['timestamp-query', 'shader-f16', 'subgroups'];

const LOSS_NOTICE_MS = 2000;

function sleep(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}

/** The fields of GPUAdapterInfo. */
export interface AdapterName {
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  readonly description: string;
}

export class EngineDevice {
  readonly device: GPUDevice;
  /** One line, for logs, messages and the tuning cache. */
  readonly name: string;
  readonly traits: AdapterTraits;
  #failure: Error | undefined;
  readonly #kernelNames = new Set<string>();
  readonly #onFailure = new Set<(error: Error) => void>();
  readonly #ownsDevice: boolean;

  constructor(device: GPUDevice, info: AdapterName, ownsDevice: boolean) {
    this.device = device;
    this.#ownsDevice = ownsDevice;
    this.name =
      [info.vendor, info.architecture].filter(Boolean).join(' ') || info.description || 'unnamed adapter';
    this.traits = {
      isSoftware: isSoftwareAdapter(...Object.values(info)),
      maximumInvocations: device.limits.maxComputeInvocationsPerWorkgroup,
      maximumWorkgroupBytes: device.limits.maxComputeWorkgroupStorageSize,
    };
    device.addEventListener('uncapturederror', this.#report);
    // Closing the engine fails the device before it is destroyed. Any other destruction, even by this program, is a
    // loss.
    void device.lost.then(({ reason, message }) => this.fail(new DeviceLostError(message || reason)));
  }

  readonly #report = ({ error }: GPUUncapturedErrorEvent): void => {
    const name = nameInMessage(error.message, this.#kernelNames);
    const isShortage = typeof GPUOutOfMemoryError === 'function' && error instanceof GPUOutOfMemoryError;
    this.fail(
      isShortage
        ? new GpuOutOfMemoryError(undefined, error.message)
        : new GpuError(name ?? 'a queued command', error.message),
    );
  };

  /** Kernel names that label errors which the device reports later. */
  addKernelNames(names: Iterable<string>): void {
    for (const name of names) this.#kernelNames.add(name);
  }

  /** The first error. The values of the network are invalid after it. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  fail(error: Error): void {
    if (this.#failure) return;
    this.#failure = error;
    for (const listener of this.#onFailure) listener(error);
  }

  /**
   * Settles as `work` does, or rejects as soon as the device fails.
   * @param name describes the work in the error, if the device names nothing
   * @throws DeviceLostError, GpuError, GpuOutOfMemoryError, EngineClosedError, and whatever `work` throws
   */
  guard<Value>(work: Promise<Value>, name = 'a queued command'): Promise<Value> {
    if (this.#failure) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#onFailure.add(reject);
      work
        .then(resolve, async (error: unknown) => {
          if (!(error instanceof DOMException)) return reject(error as Error);
          // Work on a lost device fails before the device reports its loss.
          await Promise.race([this.device.lost, sleep(LOSS_NOTICE_MS)]);
          reject(this.#failure ?? new GpuError(name, error.message || error.name));
        })
        .finally(() => this.#onFailure.delete(reject));
    });
  }

  /**
   * Runs code that makes GPU objects, with error scopes around it.
   * @param bytes the requested memory, for the message
   * @throws GpuError, GpuOutOfMemoryError
   */
  async checked<Value>(phase: string, bytes: number, make: () => Value): Promise<Value> {
    this.device.pushErrorScope('out-of-memory');
    this.device.pushErrorScope('validation');
    let value: Value | undefined;
    let thrown: unknown;
    try {
      value = make();
    } catch (error) {
      thrown = error;
    }
    // Both scopes are popped in the same task. Otherwise objects of another call could be created inside the outer one.
    const [invalid, outOfMemory] = [this.device.popErrorScope(), this.device.popErrorScope()];
    const [error, shortage] = await this.guard(Promise.all([invalid, outOfMemory]), phase);
    if (shortage) throw new GpuOutOfMemoryError(bytes, shortage.message);
    if (error) throw new GpuError(kernelInMessage(error.message, this.#kernelNames) ?? phase, error.message);
    if (thrown !== undefined) throw thrown as Error;
    return value as Value;
  }

  /** Work in progress fails with an EngineClosedError. A device that the caller provided stays open. */
  dispose(): void {
    this.fail(new EngineClosedError());
    this.device.removeEventListener('uncapturederror', this.#report);
    if (this.#ownsDevice) this.device.destroy();
  }
}

/**
 * @param given a device to share (it keeps its own limits), or an adapter; default: the browser's adapter
 * @throws WebGpuUnavailableError
 */
export async function openDevice(
  given: { readonly device?: GPUDevice | undefined; readonly adapter?: GPUAdapter | undefined } = {},
): Promise<EngineDevice> {
  if (given.device) return new EngineDevice(given.device, adapterName(given.device.adapterInfo), false);
  const adapter = given.adapter ?? (await requestAdapter());
  if (!adapter) throw new WebGpuUnavailableError();
  const requiredLimits = Object.fromEntries(LIMITS.map((limit) => [limit, adapter.limits[limit]]));
  const requiredFeatures = FEATURES.filter((feature) => adapter.features.has(feature)) as GPUFeatureName[];
  const device = await adapter.requestDevice({ requiredLimits, requiredFeatures });
  return new EngineDevice(device, adapterName(adapter.info), true);
}

async function requestAdapter(): Promise<GPUAdapter | null> {
  const gpu = (globalThis.navigator as Navigator | undefined)?.gpu;
  return gpu ? gpu.requestAdapter({ powerPreference: 'high-performance' }) : null;
}

function adapterName(info: Partial<AdapterName> | undefined): AdapterName {
  return {
    vendor: info?.vendor ?? '',
    architecture: info?.architecture ?? '',
    device: info?.device ?? '',
    description: info?.description ?? '',
  };
}

/** The properties of an adapter that the choice of kernels depends on. */
export interface AdapterTraits {
  /** Whether the adapter runs on the CPU. */
  readonly isSoftware: boolean;
  readonly maximumInvocations: number;
  readonly maximumWorkgroupBytes: number;
}
