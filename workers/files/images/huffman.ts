/** Huffman codes for deflate (RFC 1951, 3.2.2). */

const LONGEST_CODE = 15;

/** @returns the length of each symbol's code, at most 15; 0 for symbols that do not occur */
export function codeLengths(counts: Uint32Array): Uint8Array {
  const lengths = new Uint8Array(counts.length);
  const used: number[] = [];
  for (let symbol = 0; symbol < counts.length; symbol++) if (counts[symbol]! > 0) used.push(symbol);
  used.sort((a, b) => counts[a]! - counts[b]!);
  let weights = Uint32Array.from(used, (symbol) => counts[symbol]!);
  let depths = treeDepths(weights);
  // This is rare. Weights that differ less give a flatter tree.
  while (depths[0]! > LONGEST_CODE) {
    weights = weights.map((weight) => (weight >>> 1) + 1);
    depths = treeDepths(weights);
  }
  used.forEach((symbol, index) => (lengths[symbol] = depths[index]!));
  return lengths;
}

/**
 * The depth of each weight in the Huffman tree; the first is the deepest.
 * @param weights ascending, at least one
 */
function treeDepths(weights: Uint32Array): Uint8Array {
  const leaves = weights.length;
  if (leaves === 1) return Uint8Array.of(1);
  const nodes = 2 * leaves - 1;
  // Leaves first, then the inner nodes in the order of their creation, whose sums also ascend.
  const sums = new Uint32Array(nodes);
  sums.set(weights);
  const parents = new Uint16Array(nodes);
  let [leaf, node] = [0, leaves];
  for (let parent = leaves; parent < nodes; parent++)
    for (let child = 0; child < 2; child++) {
      const isLeaf = leaf < leaves && (node === parent || sums[leaf]! <= sums[node]!);
      const lightest = isLeaf ? leaf++ : node++;
      parents[lightest] = parent;
      sums[parent] = sums[parent]! + sums[lightest]!;
    }
  const depths = new Uint8Array(nodes);
  for (let index = nodes - 2; index >= 0; index--) depths[index] = depths[parents[index]!]! + 1;
  return depths.subarray(0, leaves);
}

/**
 * Codes of equal length are consecutive numbers, beginning with the shortest length.
 * @returns the codes as they are written: the first bit is the lowest
 */
export function canonicalCodes(lengths: Uint8Array): Uint16Array {
  const perLength = new Uint16Array(LONGEST_CODE + 1);
  for (const length of lengths) if (length > 0) perLength[length]!++;
  const next = new Uint16Array(LONGEST_CODE + 1);
  for (let length = 1; length <= LONGEST_CODE; length++)
    next[length] = (next[length - 1]! + perLength[length - 1]!) << 1;
  const codes = new Uint16Array(lengths.length);
  for (let symbol = 0; symbol < lengths.length; symbol++) {
    const length = lengths[symbol]!;
    if (length > 0) codes[symbol] = reversed(next[length]!++, length);
  }
  return codes;
}

/** The bits in the opposite order. */
export function reversed(value: number, bits: number): number {
  let result = 0;
  for (let bit = 0; bit < bits; bit++) result = (result << 1) | ((value >>> bit) & 1);
  return result;
}
