/**
 * Finds the kernel in what a device says of an error. Nothing about the messages is specified, but every implementation
 * quotes the labels of the objects that it complains about, and objects are labelled with their kernel's name.
 */

/** What stands in quotation marks of any kind. Dawn ends the labels of debug groups in Node with a zero. */
const QUOTED = /["'‘“`]+([^"'‘’“”`\n]+?)\0?["'’”`]+/g;

function labelsIn(message: string): string[] {
  return [...message.matchAll(QUOTED)].map(([, label]) => label!);
}

/** @returns the last of the known kernels that the message names, which is the innermost debug group if there is one */
export function kernelInMessage(message: string, known: ReadonlySet<string>): string | undefined {
  return labelsIn(message).findLast((label) => known.has(label));
}

/** @returns the kernel, or else all labels, a buffer's or a program's; undefined if the message names nothing */
export function nameInMessage(message: string, known: ReadonlySet<string>): string | undefined {
  return kernelInMessage(message, known) ?? ([...new Set(labelsIn(message))].join(', ') || undefined);
}
