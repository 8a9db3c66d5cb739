import type { SecureContext } from 'node:tls';
import type { ICallable } from 'etcd3';
import type { Clock } from '../base/clock.ts';
import { QuorateError } from '../base/errors.ts';
import { etcdError, surelyHadNoEffect } from './client-errors.ts';
import { EndpointConnection } from './connection.ts';

type Call = ICallable<unknown>;

/** More than the members of any cluster; URLs that changed meanwhile make room for others. */
const maxConnections = 16;

/** Codes after which another endpoint may know better, for calls that change nothing. */
const worthAnotherEndpoint = new Set([
  'etcd-unreachable',
  'etcd-timeout',
  'etcd-no-leader',
  'etcd-leader-changed',
  'etcd-stopping',
  'learner-cannot-serve',
]);

/** The connections to one cluster and the rules by which a call goes from one endpoint to the next. */
export class EndpointConnections {
  readonly #secureContext: SecureContext;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #connections = new Map<string, EndpointConnection>();
  /** Endpoints that answered last come first. */
  #order: readonly string[];
  #isClosed = false;

  constructor(endpoints: readonly string[], secureContext: SecureContext, clock: Clock, timeoutMs: number) {
    this.#order = [...new Set(endpoints)];
    this.#secureContext = secureContext;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  get(url: string): EndpointConnection {
    if (this.#isClosed)
      throw new QuorateError({
        code: 'etcd-client-closed',
        kind: 'transient',
        operation: `connect to ${url}`,
        summary: 'the client was closed',
      });
    const connection = this.#connections.get(url) ?? new EndpointConnection(url, this.#secureContext, this.#clock);
    // Puts it last: the first of a Map is the one that was not used for longest.
    this.#connections.delete(url);
    this.#connections.set(url, connection);
    for (const [oldest, unused] of this.#connections) {
      if (this.#connections.size <= maxConnections) break;
      this.#connections.delete(oldest);
      unused.close();
    }
    return connection;
  }

  /** Asks one endpoint after the other until one answers. */
  read<T>(operation: string, ask: (call: Call) => Promise<T>): Promise<T> {
    return this.#inTurn(operation, ask, (error) => worthAnotherEndpoint.has(error.code));
  }

  /** Asks for a change. The next endpoint is asked only when this one surely did nothing. */
  change<T>(operation: string, ask: (call: Call) => Promise<T>): Promise<T> {
    return this.#inTurn(operation, ask, surelyHadNoEffect);
  }

  /** Asks this endpoint; a connection that broke since the last call is made again. */
  async readFrom<T>(
    url: string,
    operation: string,
    ask: (call: Call) => Promise<T>,
    timeoutMs = this.#timeoutMs,
  ): Promise<T> {
    try {
      return await this.#ask(url, operation, ask, timeoutMs);
    } catch (error) {
      if (!isBrokenConnection(error)) throw error;
      return this.#ask(url, operation, ask, timeoutMs);
    }
  }

  changeAt<T>(url: string, operation: string, ask: (call: Call) => Promise<T>): Promise<T> {
    return this.#ask(url, operation, ask, this.#timeoutMs);
  }

  close(): void {
    this.#isClosed = true;
    for (const connection of this.#connections.values()) connection.close();
    this.#connections.clear();
  }

  async #inTurn<T>(
    operation: string,
    ask: (call: Call) => Promise<T>,
    mayGoOn: (error: QuorateError) => boolean,
  ): Promise<T> {
    const deadline = this.#clock.monotonic() + 2 * this.#timeoutMs;
    let failure: QuorateError | undefined;
    for (const url of this.#order) {
      const restMs = deadline - this.#clock.monotonic();
      if (failure !== undefined && restMs <= 0) break;
      try {
        return await this.#ask(url, operation, ask, Math.min(this.#timeoutMs, restMs));
      } catch (error) {
        failure = etcdError(error, operation, url);
        this.#order = [...this.#order.filter((other) => other !== url), url];
        if (!mayGoOn(failure)) throw failure;
      }
    }
    throw (
      failure ?? new QuorateError({ code: 'etcd-timeout', kind: 'transient', operation, summary: 'no time was left' })
    );
  }

  async #ask<T>(url: string, operation: string, ask: (call: Call) => Promise<T>, timeoutMs: number): Promise<T> {
    const connection = this.get(url);
    try {
      // Half of the time for the connection leaves the other endpoints theirs when a host is gone.
      return await ask(connection.callable(timeoutMs, Math.min(timeoutMs, this.#timeoutMs) / 2));
    } catch (error) {
      throw etcdError(error, operation, url);
    }
  }
}

/** Unreachable, though not because nobody listens there: the connection of an earlier call broke. */
function isBrokenConnection(error: unknown): boolean {
  return error instanceof QuorateError && error.code === 'etcd-unreachable' && !surelyHadNoEffect(error);
}
