/** Makes a compute pipeline from the text of a shader. Errors name the kernel. */
import type { EngineDevice } from './device.ts';
import { GpuError } from './errors.ts';

/**
 * @param label the name in messages and in GPU tools
 * @throws GpuError with the messages of the shader's compiler; DeviceLostError
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
  // A failure without a shader error may be the loss of the device, whose report may come later: wait for it.
  const named = pipeline.catch((error: unknown) => {
    throw error instanceof GPUPipelineError && error.reason === 'validation'
      ? new GpuError(label, error.message)
      : error;
  });
  return engineDevice.guard(named, label);
}
