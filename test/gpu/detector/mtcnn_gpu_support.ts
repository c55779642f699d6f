/**
 * Helpers for tests of the detector's GPU kernels: runs one kernel over memory that is NaN wherever nothing was
 * written.
 */
import type { EngineDevice } from '../../../workers/gpu/device.ts';
import type { RgbImage } from '../../../workers/protocol/data/images.ts';
import type { EncodedTable } from '../../../workers/detector/gpu/tables.ts';
import { hashKey, uniform } from '../../../workers/common/random.ts';

/** NaN as a float32; as an integer, larger than any index. */
const NOT_A_NUMBER = 0xffffffff;

type Words = Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

export interface KernelRun {
  readonly shader: string;
  readonly table: EncodedTable;
  /** Number of workgroups along z. */
  readonly depth?: number;
  readonly constants?: Words;
  readonly source: Words;
  /** The initial content of the target. Everything after it is NaN. */
  readonly begins?: Words;
  readonly targetWords: number;
}

/** @returns the target after the kernel */
export async function runKernel(
  engineDevice: EngineDevice,
  { shader, table, depth = 1, constants = new Uint32Array(4), source, begins, targetWords }: KernelRun,
): Promise<ArrayBuffer> {
  const { device } = engineDevice;
  const { STORAGE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
  const bufferOf = (words: Words): GPUBuffer => {
    const buffer = device.createBuffer({
      size: Math.max(16, Math.ceil(words.byteLength / 16) * 16),
      usage: STORAGE | COPY_SRC | COPY_DST,
      mappedAtCreation: true,
    });
    new Uint32Array(buffer.getMappedRange()).fill(NOT_A_NUMBER).set(new Uint32Array(words.buffer));
    buffer.unmap();
    return buffer;
  };
  const poisoned = new Uint32Array(targetWords).fill(NOT_A_NUMBER);
  if (begins) poisoned.set(new Uint32Array(begins.buffer));
  const buffers = [table.words, constants, source, poisoned].map(bufferOf);
  const types = ['read-only-storage', 'read-only-storage', 'read-only-storage', 'storage'] as const;
  const { pipeline, layout } = await engineDevice.checked('a kernel', 0, () => {
    const bindGroupLayout = device.createBindGroupLayout({
      entries: types.map((type, binding) => ({
        binding,
        visibility: GPUShaderStage.COMPUTE,
        buffer: { type },
      })),
    });
    return {
      layout: bindGroupLayout,
      pipeline: device.createComputePipeline({
        layout: device.createPipelineLayout({ bindGroupLayouts: [bindGroupLayout] }),
        compute: { module: device.createShaderModule({ code: shader }) },
      }),
    };
  });
  const target = buffers[3]!;
  const readback = device.createBuffer({ size: target.size, usage: MAP_READ | COPY_DST });
  await engineDevice.checked('a dispatch', 0, () => {
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(
      0,
      device.createBindGroup({
        layout,
        entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })),
      }),
    );
    pass.dispatchWorkgroups(table.x, table.y, depth);
    pass.end();
    encoder.copyBufferToBuffer(target, 0, readback, 0, target.size);
    device.queue.submit([encoder.finish()]);
  });
  await engineDevice.guard(readback.mapAsync(GPUMapMode.READ));
  const result = readback.getMappedRange().slice(0, 4 * targetWords);
  for (const buffer of [...buffers, readback]) buffer.destroy();
  return result;
}

/** Neighbouring pixels are similar, and all photos differ. */
export function randomPhoto(width: number, height: number, seed: number): RgbImage {
  const key = hashKey(seed, 13);
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let channel = 0; channel < 3; channel++) {
        const at = (y * width + x) * 3 + channel;
        const wave = Math.sin(x / 9 + seed) * Math.cos(y / (7 + channel)) * 70;
        data[at] = Math.round(127 + wave + (uniform(key, at) - 0.5) * 110);
      }
  return { width, height, data };
}
