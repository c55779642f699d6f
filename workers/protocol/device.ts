/** What the machine offers, and what is in use of it. */

export type BackendName = 'webgpu' | 'wasm';

/** A graphics processor, one that a program only simulates on the processor, or no WebGPU at all. */
export type DeviceKind = 'gpu' | 'simulated' | 'none';

export function deviceKind({
  hasWebGpu,
  isSoftware,
}: Pick<DeviceInfo, 'hasWebGpu' | 'isSoftware'>): DeviceKind {
  if (!hasWebGpu) return 'none';
  return isSoftware ? 'simulated' : 'gpu';
}

export interface DeviceInfo {
  /** What jobs run on when nothing else is asked for. */
  readonly backend: BackendName;
  /** A WebGPU adapter was found, hardware or software. */
  readonly hasWebGpu: boolean;
  /** The adapter is a program on the CPU (SwiftShader, llvmpipe, WARP): correct, and slow. */
  readonly isSoftware: boolean;
  /** E.g. `nvidia hopper` or `SwiftShader (software)`; empty without WebGPU. */
  readonly adapter: string;
  /** One sentence that says why it will be slow, or what is missing and what to do; empty when all is well. */
  readonly advice: string;
}

/** What the detector's networks hold, bytes. */
export interface BackendMemory {
  readonly usedBytes: number;
  /** With what it keeps for later: WebGPU's buffers, or WebAssembly's memory. */
  readonly allocatedBytes: number;
}
