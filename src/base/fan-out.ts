/** A reader's share of a stream; it can be read once. */
export interface Branch<T> extends AsyncIterable<T> {
  /** Gives the branch up, also before it was ever read: the others no longer wait for it. Twice is once. */
  leave(): void;
}

/**
 * One stream for several readers, at the pace of the slowest: each may be at most `ahead` chunks before the others.
 * A reader that leaves early no longer counts. Every reader sees the end, or the failure, of the source.
 */
export function fanOut<T>(source: AsyncIterable<T>, branches: number, ahead = 16): readonly Branch<T>[] {
  const trunk = new Trunk(source, branches, ahead);
  return Array.from({ length: branches }, (_, reader) => {
    const read = trunk.read(reader);
    return { [Symbol.asyncIterator]: () => read, leave: () => trunk.leave(reader) };
  });
}

class Trunk<T> {
  readonly #iterator: AsyncIterator<T>;
  readonly #ahead: number;
  /** Of each reader that has not left: what was taken for it and is not read yet. */
  readonly #queues = new Map<number, Promise<IteratorResult<T>>[]>();
  /** Readers that wait for something. */
  readonly #wakers = new Map<number, () => void>();
  #isTaking = false;
  #isOver = false;

  constructor(source: AsyncIterable<T>, branches: number, ahead: number) {
    this.#iterator = source[Symbol.asyncIterator]();
    this.#ahead = ahead;
    for (let reader = 0; reader < branches; reader++) this.#queues.set(reader, []);
  }

  async *read(reader: number): AsyncGenerator<T> {
    try {
      for (;;) {
        const queue = this.#queues.get(reader);
        if (queue === undefined) return;
        const next = queue.shift();
        if (next === undefined) {
          if (this.#isOver) return;
          await new Promise<void>((resolve) => {
            this.#wakers.set(reader, resolve);
            this.#take();
          });
          continue;
        }
        // Whoever is held up by this one's full queue goes on.
        this.#take();
        const result = await next;
        if (result.done === true) return;
        yield result.value;
      }
    } finally {
      this.leave(reader);
    }
  }

  leave(reader: number): void {
    if (!this.#queues.delete(reader)) return;
    this.#wake(reader);
    if (this.#queues.size > 0) this.#take();
    else if (!this.#isOver) void Promise.resolve(this.#iterator.return?.()).catch(() => undefined);
  }

  /** The next chunk, when somebody waits for it and everybody has room for it. */
  #take(): void {
    const hasRoom = [...this.#queues.values()].every((queue) => queue.length < this.#ahead);
    if (this.#isTaking || this.#isOver || this.#wakers.size === 0 || !hasRoom) return;
    this.#isTaking = true;
    const next = this.#iterator.next();
    for (const queue of this.#queues.values()) queue.push(next);
    const ended = (isOver: boolean): void => {
      this.#isTaking = false;
      this.#isOver ||= isOver;
      const waiting = [...this.#wakers.values()];
      this.#wakers.clear();
      for (const wake of waiting) wake();
    };
    next.then(
      ({ done }) => ended(done === true),
      () => ended(true),
    );
  }

  #wake(reader: number): void {
    const wake = this.#wakers.get(reader);
    this.#wakers.delete(reader);
    wake?.();
  }
}
