/** The detector's pipelines: one per layer with weights, and four more. No photo needs an additional one. */
import { createComputePipeline } from '../../gpu/compute_pipeline.ts';
import type { EngineDevice } from '../../gpu/device.ts';
import { candidateShader } from './candidates.ts';
import { convolutionShader } from './convolution.ts';
import { cropShader } from './crop_resize.ts';
import { LAYER_NAMES, type LayerName, type PackedLayers } from './layers.ts';
import { levelShader } from './level_resize.ts';
import { poolShader } from './max_pool.ts';

export type KernelName = LayerName | 'level' | 'crop' | 'pool' | 'candidates';

export interface Pipelines {
  /** The layout for all kernels: table, constants, source, target. */
  readonly layout: GPUBindGroupLayout;
  readonly byName: ReadonlyMap<KernelName, GPUComputePipeline>;
}

/** @throws GpuError with the kernel's name */
export async function createPipelines(
  device: EngineDevice,
  layers: PackedLayers['layers'],
): Promise<Pipelines> {
  const shaders: [KernelName, string][] = [
    ['level', levelShader()],
    ['crop', cropShader()],
    ['pool', poolShader()],
    ['candidates', candidateShader()],
    ...LAYER_NAMES.map((name): [KernelName, string] => [name, convolutionShader(layers[name])]),
  ];
  device.addKernelNames(shaders.map(([name]) => labelOf(name)));
  const types = ['read-only-storage', 'read-only-storage', 'read-only-storage', 'storage'] as const;
  const layout = device.device.createBindGroupLayout({
    label: 'face detector',
    entries: types.map((type, binding) => ({
      binding,
      visibility: GPUShaderStage.COMPUTE,
      buffer: { type, hasDynamicOffset: binding === 0 },
    })),
  });
  const pipelineLayout = device.device.createPipelineLayout({ bindGroupLayouts: [layout] });
  const pipelines = await Promise.all(
    shaders.map(
      async ([name, code]) =>
        [name, await createComputePipeline(device, labelOf(name), code, pipelineLayout)] as const,
    ),
  );
  return { layout, byName: new Map(pipelines) };
}

function labelOf(name: KernelName): string {
  return `face detector: ${name}`;
}
