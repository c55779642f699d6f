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

/**
 * Items in groups: at most `count` of them, which together weigh at most `weight`, or one that weighs more.
 * @param weightOf an item's
 */
export async function* inGroups<Item>(
  items: AsyncIterable<Item>,
  count: number,
  weight: number,
  weightOf: (item: Item) => number,
): AsyncGenerator<Item[]> {
  let group: Item[] = [];
  let groupWeight = 0;
  for await (const item of items) {
    const itemWeight = weightOf(item);
    if (group.length > 0 && (group.length === count || groupWeight + itemWeight > weight)) {
      yield group;
      group = [];
      groupWeight = 0;
    }
    group.push(item);
    groupWeight += itemWeight;
  }
  if (group.length > 0) yield group;
}
