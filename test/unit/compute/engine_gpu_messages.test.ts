/** The names of kernels in real messages of Dawn, from Chromium and Node. */
import { describe, expect, it } from 'vitest';
import { nameInMessage } from '../../../workers/gpu/device_messages.ts';

const KERNELS = new Set(['Conv2d_1a_3x3 forward', 'Conv2d_1a_3x3 normalize', 'MaxPool pool']);

describe('nameInMessage', () => {
  it('finds the bind group’s kernel', () => {
    const message =
      'Bind group layout [BindGroupLayout "storage"] of pipeline layout [PipelineLayout (unlabeled)] does not match layout [BindGroupLayout "uniform"] of bind group [BindGroup "MaxPool pool"] set at group index 0.\n - While encoding [ComputePassEncoder "training step"].DispatchWorkgroups(1, 1, 1).\n - While finishing [CommandEncoder "training step"].\n';
    expect(nameInMessage(message, KERNELS)).toBe('MaxPool pool');
  });

  it('prefers the debug group, which stands last, and which Node ends with a zero', () => {
    const message =
      'Dispatch workgroup count X (70000) exceeds max compute workgroups per dimension (65535).\n - While encoding [ComputePassEncoder "Conv2d_1a_3x3 forward"].DispatchWorkgroups(70000, 1, 1).\n - While finishing [CommandEncoder "rehearsal"].\n\nDebug group stack:\n > "Conv2d_1a_3x3 normalize\0"\n';
    expect(nameInMessage(message, KERNELS)).toBe('Conv2d_1a_3x3 normalize');
  });

  it('finds labels that a descriptor quotes twice', () => {
    const message =
      'Binding usage (BufferUsage::Uniform) of [Buffer "step"] doesn\'t match expected usage (BufferUsage::Storage).\n - While validating [BindGroupDescriptor ""MaxPool pool""] against [BindGroupLayout "storage"]\n - While calling [Device].CreateBindGroup([BindGroupDescriptor ""MaxPool pool""]).\n';
    expect(nameInMessage(message, KERNELS)).toBe('MaxPool pool');
  });

  it('gives the buffer and the program where no kernel is named', () => {
    const message =
      '[Buffer "pixels"] used in submit while destroyed.\n - While calling [Queue].Submit([[CommandBuffer from CommandEncoder "training step"]])\n';
    expect(nameInMessage(message, KERNELS)).toBe('pixels, training step');
  });

  it('gives nothing where nothing is named', () => {
    expect(nameInMessage('Device is lost.', KERNELS)).toBeUndefined();
    expect(nameInMessage('', KERNELS)).toBeUndefined();
    expect(nameInMessage('""', KERNELS)).toBeUndefined();
  });
});
