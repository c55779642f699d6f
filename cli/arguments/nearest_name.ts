/** The known name that a mistyped one was probably meant to be, by Levenshtein distance. */

/** @returns undefined when none is near: more than a third of the letters would have to change */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  let nearest: string | undefined;
  let nearestDistance = Infinity;
  for (const candidate of known) {
    const distance = editDistance(name, candidate);
    if (distance < nearestDistance) [nearest, nearestDistance] = [candidate, distance];
  }
  return nearest !== undefined && nearestDistance <= Math.max(name.length, nearest.length, 6) / 3
    ? nearest
    : undefined;
}

/** Insertions, deletions and replacements of one letter that lead from a to b. */
export function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 0; i < a.length; i++) {
    const current = [i + 1];
    for (let j = 0; j < b.length; j++)
      current.push(Math.min(previous[j + 1]! + 1, current[j]! + 1, previous[j]! + (a[i] === b[j] ? 0 : 1)));
    previous = current;
  }
  return previous[b.length]!;
}
