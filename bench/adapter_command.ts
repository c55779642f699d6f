/** `adapter`: which GPU WebGPU finds in Node, with its features and limits. Run it first on an unknown machine. */
import { installWebGpu } from '../cli/browser/node_webgpu.ts';
import type { Benchmark } from './run_benchmarks.ts';

export const adapterBenchmark: Benchmark = {
  description: 'the adapter that WebGPU finds, its features and limits',
  flags: {},
  async run() {
    await installWebGpu();
    const adapter = await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' });
    if (!adapter)
      throw new Error('WebGPU finds no adapter. On Linux it needs a Vulkan driver and the Vulkan loader.');
    const { vendor, architecture, device, description } = adapter.info;
    const limits: Record<string, number> = {};
    // The limits are getters on the prototype.
    for (const name in adapter.limits) {
      const value = adapter.limits[name as keyof GPUSupportedLimits];
      if (typeof value === 'number') limits[name] = value;
    }
    const report = {
      vendor,
      architecture,
      device,
      description,
      features: [...adapter.features].sort(),
      limits,
    };
    return {
      report,
      lines: [
        [vendor, architecture, device, description].filter(Boolean).join(', '),
        `Features  ${report.features.join(', ')}`,
        ...Object.entries(limits).map(([name, value]) => `${name.padEnd(42)} ${value}`),
      ],
    };
  },
};
