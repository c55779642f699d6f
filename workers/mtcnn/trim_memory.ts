/**
 * TensorFlow.js keeps every WebGPU buffer that it has ever used for the next tensor of the same size, and gives none
 * back: photos of many sizes would fill the GPU's memory. This gives the unused ones back.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { BackendMemory } from '../protocol/device.ts';

/** Unused buffers are kept up to this: what photos of a few sizes need. */
const KEPT_BYTES = 256 * 1024 * 1024;

/** The parts of tfjs-backend-webgpu that are used here (4.22). */
interface WebGpuBackend {
  readonly bufferManager?: BufferManager;
  /** Null when nothing is recorded. */
  readonly commandEncoder?: GPUCommandEncoder | null;
  endComputePassEncoder(): void;
  submitQueue(): void;
}

interface BufferManager {
  readonly freeBuffers: Map<string, GPUBuffer[]>;
  numFreeBuffers: number;
  numBytesUsed: number;
  numBytesAllocated: number;
}

/** Call it between two pieces of work. */
export function trimGpuMemory(keptBytes = KEPT_BYTES): void {
  if (tf.getBackend() !== 'webgpu') return;
  const backend = tf.backend() as unknown as WebGpuBackend;
  const manager = backend.bufferManager;
  if (!manager || manager.numBytesAllocated - manager.numBytesUsed <= keptBytes) return;
  // Commands that are recorded and not yet sent may still name the buffers.
  if (backend.commandEncoder) {
    backend.endComputePassEncoder();
    backend.submitQueue();
  }
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

/** Of the backend that runs. */
export function backendMemory(): BackendMemory {
  const usedBytes = tf.memory().numBytes;
  if (tf.getBackend() === 'webgpu') {
    const manager = (tf.backend() as unknown as WebGpuBackend).bufferManager;
    return { usedBytes, allocatedBytes: manager?.numBytesAllocated ?? usedBytes };
  }
  const { wasm } = tf.backend() as unknown as { wasm?: { HEAPU8: Uint8Array } };
  return { usedBytes, allocatedBytes: wasm?.HEAPU8.byteLength ?? usedBytes };
}
