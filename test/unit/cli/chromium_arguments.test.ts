import { describe, expect, it } from 'vitest';
import { chromiumArguments, hasGpuDevice } from '../../../scripts/setup/chromium.mjs';

describe('the device files of a GPU', () => {
  it.each([
    [['/dev/null', '/dev/dri/card0', '/dev/dri/renderD128'], true],
    [['/dev/nvidia0', '/dev/nvidiactl'], true],
    [['/dev/dxg'], true],
    [['/dev/nvidiactl', '/dev/dri/card0'], false],
    [[], false],
  ])('%j: %s', (files, expected) => {
    expect(hasGpuDevice(files)).toBe(expected);
  });
});

it.runIf(process.platform === 'linux')('asks for Vulkan only where there is a GPU', () => {
  // With these flags, Chromium hangs if Vulkan has only a software renderer.
  expect(chromiumArguments().includes('--use-angle=vulkan')).toBe(hasGpuDevice());
});
