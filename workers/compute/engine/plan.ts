/** A planned run on a device, with allocated buffers and compiled programs, ready to be replayed. */
import type { EngineDevice } from '../../gpu/device.ts';
import { Dispatcher, type Dispatch, type Resolve } from './dispatcher.ts';
import type { PlannedProgram, PlannedRun } from './capacity.ts';
import type { ProgramKind } from './lowering.ts';
import type { BufferName } from './tensor_view.ts';

/** The long-lived buffers that are uniforms. */
const UNIFORMS: ReadonlySet<BufferName> = new Set(['step']);

export class CompiledRun {
  readonly plan: PlannedRun;
  readonly #device: EngineDevice;
  readonly #dispatcher: Dispatcher;
  readonly #buffers: Map<BufferName, GPUBuffer>;
  readonly #arena: readonly GPUBuffer[];
  readonly #programs = new Map<ProgramKind, readonly Dispatch[]>();

  private constructor(
    plan: PlannedRun,
    device: EngineDevice,
    buffers: Map<BufferName, GPUBuffer>,
    arena: readonly GPUBuffer[],
  ) {
    this.plan = plan;
    this.#device = device;
    this.#dispatcher = new Dispatcher(device);
    this.#buffers = buffers;
    this.#arena = arena;
  }

  /** @throws GpuError, GpuOutOfMemoryError */
  static async create(plan: PlannedRun, device: EngineDevice): Promise<CompiledRun> {
    const make = (label: string, floats: number, usage: GPUBufferUsageFlags): GPUBuffer =>
      device.device.createBuffer({
        label,
        size: Math.max(floats * 4, 16),
        usage: usage | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
      });
    const { buffers, arena } = await device.checked('the network’s memory', plan.bytes, () => ({
      buffers: new Map(
        [...plan.buffers].map(([name, floats]) => [
          name,
          make(name, floats, UNIFORMS.has(name) ? GPUBufferUsage.UNIFORM : GPUBufferUsage.STORAGE),
        ]),
      ),
      arena: plan.blocks.map((floats, index) => make(`arena ${index}`, floats, GPUBufferUsage.STORAGE)),
    }));
    const run = new CompiledRun(plan, device, buffers, arena);
    try {
      await run.#compile(plan.programs);
    } catch (error) {
      run.dispose();
      throw error;
    }
    return run;
  }

  buffer(name: BufferName): GPUBuffer {
    const buffer = this.#buffers.get(name);
    if (!buffer) throw new Error(`There is no buffer ${name} in this run.`);
    return buffer;
  }

  program(kind: ProgramKind): readonly Dispatch[] {
    const dispatches = this.#programs.get(kind);
    if (!dispatches) throw new Error(`There is no ${kind} program without classes.`);
    return dispatches;
  }

  /**
   * Enlarges the buffer for pixels. The kernels that read it get new bind groups; everything else stays. This waits
   * for no work, because a buffer outlives the commands that use it.
   * @throws GpuError, GpuOutOfMemoryError; the smaller buffer then stays
   */
  async growPixels(bytes: number): Promise<void> {
    const size = Math.ceil(bytes / 4) * 4;
    const smaller = this.buffer('pixels');
    const larger = await this.#device.checked('the images’ memory', size, () =>
      this.#device.device.createBuffer({
        label: 'pixels',
        size,
        usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC,
      }),
    );
    this.#buffers.set('pixels', larger);
    try {
      const rebound = await Promise.all(
        this.plan.programs.map(async (program) => {
          const { kind } = program;
          const dispatches = await this.#dispatcher.rebind(
            this.program(kind),
            this.#resolver(program),
            (memory) => memory.kind === 'region' && memory.buffer === 'pixels',
          );
          return [kind, dispatches] as const;
        }),
      );
      for (const [kind, dispatches] of rebound) this.#programs.set(kind, dispatches);
      smaller.destroy();
    } catch (error) {
      this.#buffers.set('pixels', smaller);
      larger.destroy();
      throw error;
    }
  }

  get pipelineCount(): number {
    return this.#dispatcher.pipelineCount;
  }

  /** Current size of all buffers, bytes. */
  get bytes(): number {
    return [...this.#buffers.values(), ...this.#arena].reduce((sum, { size }) => sum + size, 0);
  }

  dispose(): void {
    this.#dispatcher.dispose();
    for (const buffer of [...this.#buffers.values(), ...this.#arena]) buffer.destroy();
  }

  async #compile(programs: readonly PlannedProgram[]): Promise<void> {
    await Promise.all(
      programs.map(async (program) => {
        const dispatches = await this.#dispatcher.compile(program.kernels, this.#resolver(program));
        this.#programs.set(program.kind, dispatches);
      }),
    );
  }

  #resolver({ memory: { placements } }: PlannedProgram): Resolve {
    return (memory) => {
      if (memory.kind === 'region') {
        const buffer = this.buffer(memory.buffer);
        // The buffer for pixels may have grown since the plan was made.
        if (memory.buffer === 'pixels') return { buffer };
        return { buffer, offset: memory.offset * 4, size: Math.max(memory.floats * 4, 16) };
      }
      const placement = placements.get(memory)!;
      return {
        buffer: this.#arena[placement.block]!,
        offset: placement.offset * 4,
        size: Math.ceil(memory.floats / 4) * 16,
      };
    };
  }
}
