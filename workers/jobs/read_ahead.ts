/** Starts work on the next items while the current one is used; results come in order. */
export async function* readAhead<Item, Result>(
  items: Iterable<Item>,
  depth: number,
  start: (item: Item) => Promise<Result>,
): AsyncGenerator<{ item: Item; result: PromiseSettledResult<Result> }> {
  const iterator = items[Symbol.iterator]();
  const queue: { item: Item; result: Promise<PromiseSettledResult<Result>> }[] = [];
  const fill = (): void => {
    while (queue.length < depth) {
      const next = iterator.next();
      if (next.done) return;
      const result = start(next.value).then(
        (value): PromiseSettledResult<Result> => ({ status: 'fulfilled', value }),
        (reason: unknown): PromiseSettledResult<Result> => ({ status: 'rejected', reason }),
      );
      queue.push({ item: next.value, result });
    }
  };
  fill();
  for (let head = queue.shift(); head; head = queue.shift()) {
    fill();
    yield { item: head.item, result: await head.result };
  }
}
