/**
 * Finds the name of the kernel in a device's error message. The messages are not specified, but every implementation
 * quotes the labels of the objects concerned, and objects are labelled with the name of their kernel.
 */

/** Text in quotation marks of any kind. In Node, Dawn ends the labels of debug groups with a NUL. */
const QUOTED = /["'‘“`]+([^"'‘’“”`\n]+?)\0?["'’”`]+/g;

function labelsIn(message: string): string[] {
  return [...message.matchAll(QUOTED)].map(([, label]) => label!);
}

/** @returns the last of the known kernels that the message names, which is the innermost debug group if there is one */
export function kernelInMessage(message: string, known: ReadonlySet<string>): string | undefined {
  return labelsIn(message).findLast((label) => known.has(label));
}

/** @returns the kernel; otherwise all labels (of a buffer, a program); undefined if the message has no labels */
export function nameInMessage(message: string, known: ReadonlySet<string>): string | undefined {
  return kernelInMessage(message, known) ?? ([...new Set(labelsIn(message))].join(', ') || undefined);
}
