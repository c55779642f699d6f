/**
 * Picks a few images of a dataset, spread over its classes, while the files are listed, so that the listing does not
 * have to be read again. For most classes, one path is kept.
 */
import { compareNames } from '../protocol/data/names.ts';

export class Examples {
  readonly #count: number;
  readonly #pathsOf = new Map<string, string[]>();

  /** @param count number of examples */
  constructor(count: number) {
    this.#count = count;
  }

  add(className: string, path: string): void {
    const paths = this.#pathsOf.get(className);
    if (!paths) this.#pathsOf.set(className, [path]);
    // More than one example per class is needed only if there are few classes.
    else if (this.#pathsOf.size < this.#count && paths.length < this.#count) paths.push(path);
  }

  /** The first of every class, then the second of every class … If there are too many classes, evenly spaced ones. */
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
