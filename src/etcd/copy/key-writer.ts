import type { Clock } from '../../base/clock.ts';
import { asQuorateError, type QuorateError } from '../../base/errors.ts';
import type { Write } from './history.ts';
import type { Condition, Keyspace } from './keyspace.ts';
import { isPassing, patiently } from './patience.ts';

export interface KeyWriterOptions {
  readonly space: Keyspace;
  readonly clock: Clock;
  readonly signal: AbortSignal | undefined;
  /** Transactions under way at a time. */
  readonly depth: number;
  /** Called with each batch that is in the target. */
  readonly onWritten: (batch: readonly Write[]) => void;
}

type Outcome =
  | { readonly kind: 'written' }
  | { readonly kind: 'declined' }
  | { readonly kind: 'failed'; readonly error: QuorateError };

interface Flight {
  readonly batch: readonly Write[];
  readonly outcome: Promise<Outcome>;
}

/** How long one transaction is tried before the copy is given up. */
const patienceMs = 60_000;
const pauseMs = 100;

/**
 * Writes transactions in order, several under way at a time. Requests on one connection may overtake each other, so
 * each transaction is bound to the one before: it wants a key of that to be there. One that came too early does
 * nothing and is sent again. Each is also bound to not having been done yet, because an answer can get lost.
 */
export class KeyWriter {
  readonly #options: KeyWriterOptions;
  readonly #flights: Flight[] = [];
  /** Leases of the target; keys of others are left out. */
  #leases: ReadonlySet<string> = new Set();

  constructor(options: KeyWriterOptions) {
    this.#options = options;
  }

  async write(all: Iterable<readonly Write[]>): Promise<void> {
    await this.#lookForLeases();
    try {
      for (const whole of all) {
        this.#options.signal?.throwIfAborted();
        const batch = this.#withLease(whole);
        if (batch.length === 0) continue;
        const before = this.#flights.at(-1)?.batch;
        const anchor = before?.find(({ lease }) => lease === '0');
        if (this.#flights.length >= this.#options.depth) await this.#land();
        // Keys with leases can go away by themselves, so nothing can be bound to them.
        if (before !== undefined && anchor === undefined) await this.#landAll();
        const order = this.#flights.length > 0 && anchor !== undefined ? [whenDone(anchor)] : [];
        this.#flights.push({ batch, outcome: this.#send(batch, order) });
      }
      await this.#landAll();
    } finally {
      // After an error: nothing of this may arrive once the caller has been told.
      await Promise.all(this.#flights.map(({ outcome }) => outcome));
      this.#flights.length = 0;
    }
  }

  async #landAll(): Promise<void> {
    while (this.#flights.length > 0) await this.#land();
  }

  /** Takes the oldest one down; when it did not go well, brings this and all later ones to the ground one by one. */
  async #land(): Promise<void> {
    const flight = this.#flights.shift();
    if (flight === undefined) return;
    if ((await flight.outcome).kind === 'written') return this.#options.onWritten(flight.batch);
    const later = this.#flights.splice(0);
    const outcomes = await Promise.all(later.map(({ outcome }) => outcome));
    await this.#insist(flight.batch);
    for (const [index, { batch }] of later.entries()) {
      if (outcomes[index]?.kind === 'written') this.#options.onWritten(batch);
      else await this.#insist(batch);
    }
  }

  /** With everything before it in place, and nothing else under way. */
  async #insist(whole: readonly Write[]): Promise<void> {
    const { clock, signal } = this.#options;
    const deadline = clock.monotonic() + patienceMs;
    let batch = whole;
    for (;;) {
      signal?.throwIfAborted();
      if (batch.length === 0) return;
      const outcome = await this.#send(batch, []);
      if (outcome.kind === 'written') return this.#options.onWritten(batch);
      if (outcome.kind === 'failed' && isPassing(outcome.error) && clock.monotonic() < deadline) {
        await clock.sleep(pauseMs, signal);
        continue;
      }
      await this.#lookForLeases();
      const rest = this.#withLease(batch);
      // Nothing ran out, so the condition says that it was done before, by a request whose answer was lost.
      if (outcome.kind === 'declined' && rest.length === batch.length) return this.#options.onWritten(batch);
      if (outcome.kind === 'failed' && rest.length === batch.length) throw outcome.error;
      batch = rest;
    }
  }

  async #lookForLeases(): Promise<void> {
    const { space, clock, signal } = this.#options;
    this.#leases = new Set(await patiently(clock, signal, () => space.leases()));
  }

  #withLease(batch: readonly Write[]): readonly Write[] {
    const isAlive = ({ lease }: Write): boolean => lease === '0' || this.#leases.has(lease);
    return batch.every(isAlive) ? batch : batch.filter(isAlive);
  }

  async #send(batch: readonly Write[], order: readonly Condition[]): Promise<Outcome> {
    const sign = batch.find(({ lease }) => lease === '0') ?? batch[0];
    const notYet = sign === undefined ? [] : [whenNotDone(sign)];
    try {
      const answer = await this.#options.space.write({ conditions: [...notYet, ...order], puts: batch });
      return { kind: answer.conditionsHeld ? 'written' : 'declined' };
    } catch (error) {
      const failure = { code: 'etcd-error', kind: 'transient', operation: 'write keys' } as const;
      return { kind: 'failed', error: asQuorateError(error, failure) };
    }
  }
}

/** A key is written at most twice: created, and touched where it was written last. */
function whenDone({ key, value }: Write): Condition {
  return { key, version: value === undefined ? 2 : 1, isAtLeast: true };
}

function whenNotDone({ key, value }: Write): Condition {
  return { key, version: value === undefined ? 1 : 0, isAtLeast: false };
}
