/** Finds the nodes that read a node's output. */
import type { Graph, GraphNode } from './ir.ts';
import { inputsOf } from './shapes.ts';

/** @returns a function that finds a node's only reader; undefined if there are several, or it is a graph output */
export function onlyReaders(graph: Graph): (name: string) => GraphNode | undefined {
  const readers = new Map<string, GraphNode[]>();
  for (const node of graph.nodes)
    for (const input of inputsOf(node)) readers.set(input, [...(readers.get(input) ?? []), node]);
  const outputs = new Set(Object.values(graph.outputs) as string[]);
  return (name) => {
    const all = readers.get(name) ?? [];
    return all.length === 1 && !outputs.has(name) ? all[0] : undefined;
  };
}
