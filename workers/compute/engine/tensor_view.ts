/**
 * Where values are stored. A storage is a region of the arena with a lifetime. A buffer region is a part of one of the
 * engine's long-lived buffers. A view is a [rows, channels] window on either; its distance between rows may be larger
 * than its channels. Branches of a concatenation are views on its storage, so that a concatenation costs nothing.
 *
 * A storage holds float32 or float16 values; kernels compute in float32 in both cases. Sizes of memories are counted
 * in units of 4 bytes, whatever they hold; places within a view are counted in values.
 */

/** The type of the values in a memory. */
export type ElementType = 'float32' | 'float16';

/** A region of the arena. The memory plan places it. */
export interface Storage {
  readonly kind: 'storage';
  readonly name: string;
  /** Its size in units of 4 bytes; a multiple of 4. */
  readonly floats: number;
  readonly elementType: ElementType;
}

/** The long-lived buffers. */
export type BufferName =
  /** Trainable parameters, flat. */
  | 'parameters'
  | 'gradients'
  | 'slot_0'
  | 'slot_1'
  | 'moving_average'
  /** Moving means and variances. */
  | 'statistics'
  | 'centers'
  /** Counts of |prelogits| since they were read last, unsigned integers. */
  | 'prelogits_histogram'
  | 'pixels'
  | 'transforms'
  | 'labels'
  /** Values that change with each step: the struct of step_values.ts. */
  | 'step'
  | 'metrics'
  | 'embeddings'
  /** With float16: the factor of the losses' gradients and its counters; see kernels/loss_scale.ts. */
  | 'loss_scale';

export interface BufferRegion {
  readonly kind: 'region';
  readonly buffer: BufferName;
  /** Floats from the beginning of the buffer. */
  readonly offset: number;
  readonly floats: number;
}

export type Memory = Storage | BufferRegion;

/** The long-lived buffers hold float32 (or integers of as many bits). */
export function elementTypeOf(memory: Memory): ElementType {
  return memory.kind === 'storage' ? memory.elementType : 'float32';
}

export interface TensorView {
  readonly memory: Memory;
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  /** Index of the first channel in a row of the memory. */
  readonly channelOffset: number;
  /** Number of values from one row to the next. */
  readonly channelStride: number;
}

/** batch · height · width */
export function rowsOf(view: TensorView): number {
  return view.batch * view.height * view.width;
}

/** Whether four channels at a time can be loaded as one vector. */
export function isVectorAligned(view: TensorView): boolean {
  return view.channels % 4 === 0 && view.channelOffset % 4 === 0 && view.channelStride % 4 === 0;
}

/** A storage for `values` values, in whole units of 16 bytes. */
export function storage(name: string, values: number, elementType: ElementType = 'float32'): Storage {
  const floats = elementType === 'float16' ? Math.ceil(values / 2) : values;
  return { kind: 'storage', name, floats: Math.ceil(floats / 4) * 4, elementType };
}

/** A view on all of a new storage. */
export function freshView(
  name: string,
  shape: {
    readonly batch: number;
    readonly height: number;
    readonly width: number;
    readonly channels: number;
  },
  channelStride = shape.channels,
  elementType: ElementType = 'float32',
): TensorView {
  return {
    memory: storage(name, shape.batch * shape.height * shape.width * channelStride, elementType),
    batch: shape.batch,
    height: shape.height,
    width: shape.width,
    channels: shape.channels,
    channelOffset: 0,
    channelStride,
  };
}

/** A view on the channels [offset, offset + channels) of a view. */
export function sliceChannels(view: TensorView, offset: number, channels: number): TensorView {
  return { ...view, channels, channelOffset: view.channelOffset + offset };
}

/** A view [rows, channels] on a memory, from its beginning. */
export function matrixView(memory: Memory, rows: number, channels: number): TensorView {
  return {
    memory,
    batch: rows,
    height: 1,
    width: 1,
    channels,
    channelOffset: 0,
    channelStride: channels,
  };
}
