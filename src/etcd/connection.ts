import { isIP } from 'node:net';
import { checkServerIdentity, type SecureContext } from 'node:tls';
import { Channel, type Client, connectivityState, credentials, Metadata } from '@grpc/grpc-js';
import type { ICallable } from 'etcd3';
import { Host } from 'etcd3/lib/connection-pool.js';
import type { Clock } from '../base/clock.ts';
import { QuorateError } from '../base/errors.ts';
import { isConnectionFailure } from './client-errors.ts';

type Service = Parameters<ICallable<Host>['exec']>[0];
type UnaryMethod = (
  payload: unknown,
  metadata: Metadata,
  options: { readonly deadline: Date },
  done: (error: Error | null, response: unknown) => void,
) => void;

const channelOptions = {
  // A connection of its own, so that no other channel's back-off holds it up.
  'grpc.use_local_subchannel_pool': 1,
  // An idle connection costs memory on both sides; a new one costs a few milliseconds.
  'grpc.client_idle_timeout_ms': 60_000,
  'grpc.enable_channelz': 0,
  'grpc.enable_http_proxy': 0,
  'grpc.service_config_disable_resolution': 1,
};

/**
 * One endpoint, over one gRPC channel that all services share. A channel whose connection failed is
 * thrown away, so that the next call dials at once: gRPC's back-off, and etcd3's circuit breaker and
 * retries, which this goes around, would make a restart of 0.1 s look like seconds.
 */
export class EndpointConnection {
  readonly url: string;
  readonly #secureContext: SecureContext;
  readonly #clock: Clock;
  #open: { readonly channel: Channel; readonly host: Host } | undefined;

  constructor(url: string, secureContext: SecureContext, clock: Clock) {
    this.url = url;
    this.#secureContext = secureContext;
    this.#clock = clock;
  }

  /**
   * Runs calls of etcd3's typed service clients here. All calls made with one callable share
   * `timeoutMs`, of which at most `connectTimeoutMs` may go to the connection. Streams have no end.
   */
  callable(timeoutMs: number, connectTimeoutMs: number): ICallable<Host> {
    const deadline = this.#clock.now() + timeoutMs;
    return {
      callOptionsFactory: undefined,
      exec: async <T>(service: Service, method: string, payload: unknown): Promise<T> => {
        const { channel, host } = await this.#connect(connectTimeoutMs);
        const client = host.getServiceClient(service);
        try {
          return await callUnary<T>(client, method, payload, deadline);
        } catch (error) {
          this.#dropAfter(error, channel);
          throw error;
        }
      },
      withConnection: async (service, use) => {
        const { host } = await this.#connect(connectTimeoutMs);
        return use({ resource: host, client: host.getServiceClient(service), metadata: new Metadata() });
      },
      markFailed: (host, error) => {
        if (this.#open?.host === host) this.#dropAfter(error, this.#open.channel);
      },
    };
  }

  close(): void {
    this.#open?.host.close();
    this.#open?.channel.close();
    this.#open = undefined;
  }

  /** Resolves when the channel is ready, or has failed to connect: then the call says why. */
  async #connect(connectTimeoutMs: number): Promise<{ readonly channel: Channel; readonly host: Host }> {
    const open = this.#open ?? this.#newChannel();
    this.#open = open;
    const deadline = this.#clock.now() + connectTimeoutMs;
    for (;;) {
      const state = open.channel.getConnectivityState(true);
      if (state === connectivityState.READY || state === connectivityState.TRANSIENT_FAILURE) return open;
      if (state === connectivityState.SHUTDOWN) throw unreachable(this.url, 'the connection was closed');
      if (await stateChanges(open.channel, state, deadline)) continue;
      this.#drop(open.channel);
      throw unreachable(this.url, `no connection within ${connectTimeoutMs} ms`);
    }
  }

  #newChannel(): { readonly channel: Channel; readonly host: Host } {
    const target = this.url.replace(/^https?:\/\//, '');
    const name = new URL(this.url).hostname.replace(/^\[|\]$/g, '');
    const verified = this.url.startsWith('http://')
      ? credentials.createInsecure()
      : credentials.createFromSecureContext(this.#secureContext, {
          checkServerIdentity: (_override, certificate) => checkServerIdentity(name, certificate),
        });
    const channel = new Channel(target, verified, {
      ...channelOptions,
      // Addresses must not be sent as server names (RFC 6066), and grpc-js would; etcd reads none.
      ...(isIP(name) === 0 ? {} : { 'grpc.ssl_target_name_override': 'etcd' }),
    });
    return { channel, host: new Host(target, verified, { channelOverride: channel }) };
  }

  #dropAfter(error: unknown, channel: Channel): void {
    if (isConnectionFailure(error)) this.#drop(channel);
  }

  #drop(channel: Channel): void {
    // Another call may have put a new channel in place already.
    if (this.#open?.channel === channel) this.close();
  }
}

function callUnary<T>(client: Client, method: string, payload: unknown, deadline: number): Promise<T> {
  return new Promise((resolve, reject) => {
    // etcd3 asks for `hashKV`, which proto-loader calls `hashKv`; the name in the protocol is there as well.
    const call: unknown = Reflect.get(client, `${method.charAt(0).toUpperCase()}${method.slice(1)}`);
    if (!isUnaryMethod(call)) throw new TypeError(`etcd3 has no method ${method}`);
    const options = { deadline: new Date(deadline) };
    call.call(client, payload, new Metadata(), options, (error, response) => {
      if (error === null) resolve(response as T);
      else reject(error);
    });
  });
}

function isUnaryMethod(value: unknown): value is UnaryMethod {
  return typeof value === 'function';
}

function stateChanges(channel: Channel, state: connectivityState, deadline: number): Promise<boolean> {
  return new Promise((resolve) => {
    channel.watchConnectivityState(state, deadline, (error) => resolve(error === undefined));
  });
}

function unreachable(url: string, why: string): QuorateError {
  return new QuorateError({
    code: 'etcd-unreachable',
    kind: 'transient',
    operation: `connect to ${url}`,
    summary: `${url}: ${why}`,
  });
}
