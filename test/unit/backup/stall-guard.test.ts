import { describe, expect, it } from 'vitest';
import { guardStalls } from '../../../src/backup/stall-guard.ts';
import { type Clock, systemClock } from '../../../src/base/clock.ts';
import { collect, errorOf, streamOf } from './streams.ts';

const operation = 'test';

async function* hanging(onEnd: () => void = () => undefined): AsyncGenerator<Uint8Array> {
  try {
    yield new Uint8Array(1);
    await new Promise<never>(() => {});
  } finally {
    onEnd();
  }
}

describe('guardStalls', () => {
  it('passes everything on', async () => {
    const bytes = Buffer.from('abcdefghij');
    const guarded = guardStalls(streamOf(bytes, 3), { clock: systemClock, timeoutMs: 5000, operation });
    expect(await collect(guarded)).toEqual(bytes);
  });

  it('ends a silent stream', async () => {
    const guarded = guardStalls(hanging(), { clock: systemClock, timeoutMs: 40, operation });
    expect((await errorOf(collect(guarded))).code).toBe('stream-stalled');
  });

  it('ends with the reason of the signal while it waits', async () => {
    const controller = new AbortController();
    const guarded = guardStalls(hanging(), {
      clock: systemClock,
      timeoutMs: 60_000,
      operation,
      signal: controller.signal,
    });
    await guarded.next();
    const waiting = guarded.next();
    controller.abort(new TypeError('enough'));
    await expect(waiting).rejects.toThrow('enough');
  });

  it('lets the source end when the consumer leaves', async () => {
    let ended = false;
    const source = (async function* () {
      try {
        for (;;) yield new Uint8Array(1);
      } finally {
        ended = true;
      }
    })();
    for await (const _chunk of guardStalls(source, { clock: systemClock, timeoutMs: 5000, operation })) break;
    expect(ended).toBe(true);
  });

  it('does not count the time that the consumer takes, nor spin on a clock that jumps', async () => {
    let nowMs = 0;
    const jumping: Clock = {
      now: () => nowMs,
      monotonic: () => nowMs,
      sleep: async (ms) => {
        nowMs += ms;
      },
    };
    let count = 0;
    for await (const _chunk of guardStalls(streamOf(new Uint8Array(5), 1), {
      clock: jumping,
      timeoutMs: 1e6,
      operation,
    })) {
      nowMs += 1e7;
      await systemClock.sleep(1);
      count += 1;
    }
    expect(count).toBe(5);
  });
});
