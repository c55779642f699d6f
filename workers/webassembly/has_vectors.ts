import { f32x4, set } from './code.ts';
import { ModuleWriter } from './module.ts';

/** Whether this browser's WebAssembly has 128-bit SIMD. All current browsers have it; Safari since 16.4. */
export function hasVectors(): boolean {
  return (answer ??= isValid());
}

let answer: boolean | undefined;

function isValid(): boolean {
  const module = new ModuleWriter();
  module.add('vector', [], (writer) => set(writer.vector(), f32x4.splat(0)));
  return WebAssembly.validate(module.bytes());
}
