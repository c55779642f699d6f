/** One thread per four channels of each row of a view, for kernels without reductions across rows. */
import { rowsOf, type TensorView } from '../tensor_view.ts';
import type { Kernel, KernelBuilder } from './kernel.ts';

const WORKGROUP_SIZE = 64;

/** @param code can use `row` and `group_index`, the index of the row's vector of four channels */
export function perVector(builder: KernelBuilder, name: string, view: TensorView, code: string): Kernel {
  const groups = Math.ceil(view.channels / 4);
  const vectors = rowsOf(view) * groups;
  return builder.build({
    name,
    workgroupSize: WORKGROUP_SIZE,
    groups: Math.ceil(vectors / WORKGROUP_SIZE),
    body: `
  let thread = group * ${WORKGROUP_SIZE}u + lane;
  if (thread >= ${builder.u(vectors)}) { return; }
  let row = thread / ${builder.u(groups)};
  let group_index = thread % ${builder.u(groups)};
  ${code}`,
  });
}

/** Like perVector; the code can also use the row's place as `x`, `y` and `image`. */
export function perPixel(builder: KernelBuilder, name: string, view: TensorView, code: string): Kernel {
  return perVector(
    builder,
    name,
    view,
    `let x = i32(row % ${builder.u(view.width)});
  let y = i32((row / ${builder.u(view.width)}) % ${builder.u(view.height)});
  let image = i32(row / ${builder.u(view.width * view.height)});
  ${code}`,
  );
}
