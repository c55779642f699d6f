/** Starts work on the next items while the current one is used; results come in order. */
export async function* readAhead<Item, Result>(
  items: Iterable<Item> | AsyncIterable<Item>,
  depth: number,
  start: (item: Item) => Promise<Result>,
): AsyncGenerator<{ item: Item; result: PromiseSettledResult<Result> }> {
  const iterator = (async function* () {
    yield* items;
  })();
  type Step = { item: Item; result: Promise<PromiseSettledResult<Result>> } | undefined;
  // Calls of an async generator wait for each other: the steps begin in the items' order.
  const begin = async (): Promise<Step> => {
    const next = await iterator.next();
    if (next.done) return undefined;
    const result = start(next.value).then(
      (value): PromiseSettledResult<Result> => ({ status: 'fulfilled', value }),
      (reason: unknown): PromiseSettledResult<Result> => ({ status: 'rejected', reason }),
    );
    return { item: next.value, result };
  };
  const queue = Array.from({ length: depth }, begin);
  // One that fails while another is awaited is reported when its turn comes.
  for (const step of queue) step.catch(() => undefined);
  try {
    for (let head = await queue.shift(); head; head = await queue.shift()) {
      const next = begin();
      next.catch(() => undefined);
      queue.push(next);
      yield { item: head.item, result: await head.result };
    }
  } finally {
    // The source is told that nobody reads on; whatever it waits for need not be waited for here.
    void iterator.return(undefined).catch(() => undefined);
  }
}

/** Items in groups of `size`, the last one as large as what is left. */
export async function* inGroups<Item>(items: AsyncIterable<Item>, size: number): AsyncGenerator<Item[]> {
  let group: Item[] = [];
  for await (const item of items) {
    group.push(item);
    if (group.length < size) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}
