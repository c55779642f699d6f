/** A compute pipeline from a shader's text, with errors that name what it is for. */
import type { EngineDevice } from './device.ts';
import { GpuError } from './errors.ts';

/**
 * @param label for messages and the GPU's tools
 * @throws GpuError what the shader has against it; DeviceLostError
 */
export async function createComputePipeline(
  engineDevice: EngineDevice,
  label: string,
  code: string,
  layout: GPUPipelineLayout,
): Promise<GPUComputePipeline> {
  const { device } = engineDevice;
  device.pushErrorScope('validation');
  const module = device.createShaderModule({ label, code });
  const invalid = await engineDevice.guard(device.popErrorScope(), label);
  if (invalid) {
    const { messages } = await module.getCompilationInfo();
    const detail = messages.map(({ lineNum, message }) => `line ${lineNum}: ${message}`).join('; ');
    throw new GpuError(label, detail || invalid.message);
  }
  const pipeline = device.createComputePipelineAsync({
    label,
    layout,
    compute: { module, entryPoint: 'main' },
  });
  // What is not the shader's fault may be the loss of the device, which is waited for.
  const named = pipeline.catch((error: unknown) => {
    throw error instanceof GPUPipelineError && error.reason === 'validation'
      ? new GpuError(label, error.message)
      : error;
  });
  return engineDevice.guard(named, label);
}
