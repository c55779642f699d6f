/**
 * TensorFlow.js keeps every WebGPU buffer that it has ever used for the next tensor of the same size, and gives none
 * back: photos of many sizes would fill the GPU's memory. This gives the unused ones back.
 */
import * as tf from '@tensorflow/tfjs-core';

/** Unused buffers are kept up to this: what photos of a few sizes need. */
const KEPT_BYTES = 256 * 1024 * 1024;

/** The part of tfjs-backend-webgpu's buffer manager that is used here (4.22). */
interface BufferManager {
  readonly freeBuffers: Map<string, GPUBuffer[]>;
  numFreeBuffers: number;
  numBytesUsed: number;
  numBytesAllocated: number;
}

/** Call it between two pieces of work. */
export function trimGpuMemory(keptBytes = KEPT_BYTES): void {
  if (tf.getBackend() !== 'webgpu') return;
  const backend = tf.backend() as unknown as { bufferManager?: BufferManager; submitQueue?: () => void };
  const manager = backend.bufferManager;
  if (!manager || manager.numBytesAllocated - manager.numBytesUsed <= keptBytes) return;
  // Commands that are recorded and not yet sent may still name the buffers.
  backend.submitQueue?.();
  for (const buffers of manager.freeBuffers.values()) {
    for (const buffer of buffers) {
      manager.numBytesAllocated -= buffer.size;
      manager.numFreeBuffers--;
      buffer.destroy();
    }
    // The list itself stays: a buffer of this size that is in use will come back to it.
    buffers.length = 0;
  }
}
