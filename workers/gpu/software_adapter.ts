/** Adapters that are programs on the CPU (SwiftShader, llvmpipe, WARP), by what they call themselves. */
const SOFTWARE_ADAPTER = /swiftshader|llvmpipe|lavapipe|softpipe|software|warp|basic render/i;

/** @param names as GPUAdapterInfo has them: vendor, architecture, device, description */
export function isSoftwareAdapter(...names: readonly string[]): boolean {
  return SOFTWARE_ADAPTER.test(names.join(' '));
}
