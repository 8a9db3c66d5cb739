import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fanOut } from '../../../src/base/fan-out.ts';

/** Numbers from 1, counted as they are taken; tells when it was closed. */
class Source implements AsyncIterable<number> {
  taken = 0;
  closed = 0;
  readonly #length: number;
  readonly #failsAt: number;

  constructor(length: number, failsAt = Number.POSITIVE_INFINITY) {
    this.#length = length;
    this.#failsAt = failsAt;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<number> {
    try {
      while (this.taken < this.#length) {
        this.taken += 1;
        if (this.taken === this.#failsAt) throw new Error('the disk is gone');
        yield this.taken;
      }
    } finally {
      this.closed += 1;
    }
  }
}

/** All that is due by now has run. */
const idle = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

async function readAll(branch: AsyncIterable<number>, most = Number.POSITIVE_INFINITY): Promise<readonly number[]> {
  const read: number[] = [];
  for await (const chunk of branch) {
    read.push(chunk);
    if (read.length >= most) break;
  }
  return read;
}

function three(source: AsyncIterable<number>) {
  const [a, b, c] = fanOut(source, 3, 1);
  if (a === undefined || b === undefined || c === undefined) throw new Error('three branches were asked for');
  return [a, b, c] as const;
}

const unhandled: unknown[] = [];
const onUnhandled = (reason: unknown): void => {
  unhandled.push(reason);
};
beforeEach(() => {
  unhandled.length = 0;
  process.on('unhandledRejection', onUnhandled);
});
afterEach(async () => {
  await idle();
  process.off('unhandledRejection', onUnhandled);
  if (unhandled.length > 0) throw new Error(`nobody took ${unhandled.map(String).join(', ')}`);
});

describe('fanOut', () => {
  it('gives every reader the whole, and reads the source once', async () => {
    const source = new Source(5);
    const read = await Promise.all(three(source).map((branch) => readAll(branch)));
    expect(read).toEqual([
      [1, 2, 3, 4, 5],
      [1, 2, 3, 4, 5],
      [1, 2, 3, 4, 5],
    ]);
    expect(source).toMatchObject({ taken: 5, closed: 1 });
  });

  it('goes at the pace of the slowest, and no further ahead than it was told', async () => {
    const source = new Source(5);
    const [a, b, c] = three(source);
    const quick = [readAll(a), readAll(b)];
    const slow = c[Symbol.asyncIterator]();
    await idle();
    expect(source.taken).toBe(1);
    for (const expected of [1, 2, 3]) {
      expect(await slow.next()).toEqual({ done: false, value: expected });
      await idle();
      expect(source.taken).toBe(expected + 1);
    }
    await slow.return?.();
    expect(await Promise.all(quick)).toEqual([
      [1, 2, 3, 4, 5],
      [1, 2, 3, 4, 5],
    ]);
  });

  it('goes on without a reader that has had enough', async () => {
    const source = new Source(5);
    const [a, b, c] = three(source);
    expect(await Promise.all([readAll(a), readAll(b, 2), readAll(c)])).toEqual([
      [1, 2, 3, 4, 5],
      [1, 2],
      [1, 2, 3, 4, 5],
    ]);
    expect(source).toMatchObject({ taken: 5, closed: 1 });
  });

  it('goes on without a reader that fails', async () => {
    const [a, b, c] = three(new Source(4));
    const failing = (async () => {
      for await (const chunk of b) if (chunk === 2) throw new Error('the host is full');
    })();
    const read = Promise.all([readAll(a), readAll(c)]);
    await expect(failing).rejects.toThrow('the host is full');
    expect(await read).toEqual([
      [1, 2, 3, 4],
      [1, 2, 3, 4],
    ]);
  });

  it('goes on without a reader that leaves before it has asked for anything', async () => {
    const source = new Source(3);
    const [a, b, c] = three(source);
    const read = Promise.all([readAll(a), readAll(c)]);
    await idle();
    expect(source.taken).toBe(1);
    b.leave();
    expect(await read).toEqual([
      [1, 2, 3],
      [1, 2, 3],
    ]);
    expect(await readAll(b)).toEqual([]);
  });

  it('ends the wait of a reader that is sent away, and does not mind being told twice', async () => {
    const source = new Source(3);
    const [a, b, c] = three(source);
    const waiting = readAll(b);
    const other = readAll(a);
    await idle();
    b.leave();
    b.leave();
    expect(await waiting).toEqual([1]);
    expect(source.taken).toBe(1);
    expect(await readAll(c)).toEqual([1, 2, 3]);
    expect(await other).toEqual([1, 2, 3]);
  });

  it('closes the source when the last reader has left, and not before', async () => {
    const source = new Source(100);
    const [a, b, c] = three(source);
    await Promise.all([readAll(a, 1), readAll(b, 2), readAll(c, 3)]);
    await idle();
    expect(source).toMatchObject({ taken: 3, closed: 1 });
  });

  it('shows every reader the failure of the source', async () => {
    const source = new Source(5, 3);
    const results = await Promise.allSettled(three(source).map((branch) => readAll(branch)));
    expect(results.map((result) => result.status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(results.map((result) => (result.status === 'rejected' ? String(result.reason) : ''))).toEqual(
      Array.from({ length: 3 }, () => 'Error: the disk is gone'),
    );
    expect(source).toMatchObject({ taken: 3, closed: 1 });
  });

  it('does not mind a source that cannot be closed', async () => {
    const source: AsyncIterable<number> = {
      [Symbol.asyncIterator]: () => ({
        next: async () => ({ done: false, value: 1 }),
        return: () => Promise.reject(new Error('already gone')),
      }),
    };
    const [only] = fanOut(source, 1);
    expect(only === undefined ? [] : await readAll(only, 2)).toEqual([1, 1]);
  });

  it('ends at once where the source is empty', async () => {
    expect(await Promise.all(three(new Source(0)).map((branch) => readAll(branch)))).toEqual([[], [], []]);
  });
});
