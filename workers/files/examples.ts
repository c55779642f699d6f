/**
 * A few of a dataset's images, spread over its classes, picked while its files are found: its listing need not be read
 * again for them. Of most classes one path is kept.
 */
import { compareNames } from '../protocol/data/names.ts';

export class Examples {
  readonly #count: number;
  readonly #pathsOf = new Map<string, string[]>();

  /** @param count of examples wanted */
  constructor(count: number) {
    this.#count = count;
  }

  add(className: string, path: string): void {
    const paths = this.#pathsOf.get(className);
    if (!paths) this.#pathsOf.set(className, [path]);
    // Only of few classes a second one is shown.
    else if (this.#pathsOf.size < this.#count && paths.length < this.#count) paths.push(path);
  }

  /** Every class's first, then every class's second …; of more classes than examples, evenly spaced ones. */
  get paths(): string[] {
    const classes = [...this.#pathsOf].sort(([a], [b]) => compareNames(a, b)).map(([, paths]) => paths);
    if (classes.length >= this.#count)
      return Array.from(
        { length: this.#count },
        (_, index) => classes[Math.floor((index * classes.length) / this.#count)]![0]!,
      );
    for (const paths of classes) paths.sort(compareNames);
    const rounds = Math.max(0, ...classes.map(({ length }) => length));
    return Array.from({ length: rounds }, (_, round) => classes.flatMap((paths) => paths[round] ?? []))
      .flat()
      .slice(0, this.#count);
  }
}
