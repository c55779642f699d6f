/** Recognises adapters that run on the CPU (SwiftShader, llvmpipe, WARP) by their names. */
const SOFTWARE_ADAPTER = /swiftshader|llvmpipe|lavapipe|softpipe|software|warp|basic render/i;

/** @param names fields of GPUAdapterInfo: vendor, architecture, device, description */
export function isSoftwareAdapter(...names: readonly string[]): boolean {
  return SOFTWARE_ADAPTER.test(names.join(' '));
}
