import type { Clock } from '../base/clock.ts';
import { QuorateError } from '../base/errors.ts';
import type { EtcdApi, MemberProbe } from '../etcd/api.ts';
import { connectEtcd } from '../etcd/client.ts';
import { createMemberProbe } from '../etcd/probe.ts';
import type { TrustSpec } from '../spec/cluster-spec.ts';
import { type IssuedCredentials, issueClientCredentials } from '../tls/client-credentials.ts';
import type { Keystore } from '../tls/keystore.ts';

/** Sets of endpoints that one cluster is asked through at a time: all, each member, and those that are healthy. */
const maxClients = 12;

/** The controller's way into one cluster: its own short-lived certificate, and connections that are kept. */
export class EtcdClients {
  readonly probe: MemberProbe;
  readonly #cluster: string;
  readonly #keystore: Keystore;
  readonly #clock: Clock;
  #trust: TrustSpec | undefined;
  #credentials: IssuedCredentials | undefined;
  /** By endpoints; the least recently used first. */
  readonly #clients = new Map<string, EtcdApi>();
  /** Made with the former certificate: a backup may still be streaming through one. */
  #retired: EtcdApi[] = [];

  constructor(cluster: string, keystore: Keystore, clock: Clock) {
    this.#cluster = cluster;
    this.#keystore = keystore;
    this.#clock = clock;
    this.probe = createMemberProbe(async () => {
      const credentials = await this.#currentCredentials();
      if (credentials !== undefined) return credentials;
      throw new QuorateError({
        code: 'authority-not-found',
        kind: 'waiting',
        operation: `probe a member of ${cluster}`,
        summary: 'no certificate authority was made for this cluster yet',
      });
    }, clock);
  }

  /** Which authorities to believe and to sign with, as the spec in force says. */
  trust(trust: TrustSpec): void {
    if (JSON.stringify(trust) === JSON.stringify(this.#trust)) return;
    this.#trust = trust;
    this.#credentials = undefined;
  }

  async connect(endpoints: readonly string[]): Promise<EtcdApi | undefined> {
    const credentials = await this.#currentCredentials();
    if (credentials === undefined || endpoints.length === 0) return undefined;
    const key = endpoints.toSorted().join(' ');
    const api = this.#clients.get(key) ?? connectEtcd({ endpoints, credentials, clock: this.#clock });
    this.#clients.delete(key);
    this.#clients.set(key, api);
    for (const [oldest, unused] of this.#clients) {
      if (this.#clients.size <= maxClients) break;
      this.#clients.delete(oldest);
      unused.close();
    }
    return api;
  }

  close(): void {
    this.#retire();
    this.#retire();
  }

  /** Closes the clients of the certificate before the last one. */
  #retire(): void {
    for (const api of this.#retired) api.close();
    this.#retired = [...this.#clients.values()];
    this.#clients.clear();
  }

  async #currentCredentials(): Promise<IssuedCredentials | undefined> {
    if (this.#trust === undefined) return undefined;
    if (this.#credentials !== undefined && this.#clock.now() < this.#credentials.renewAtMs) return this.#credentials;
    const made = await this.#keystore.authorities(this.#cluster);
    const { trust, issue } = this.#trust;
    if ([...trust, issue].some((name) => made[name] === undefined)) return undefined;
    this.#retire();
    this.#credentials = await issueClientCredentials({
      keystore: this.#keystore,
      cluster: this.#cluster,
      trust,
      issue,
      clock: this.#clock,
    });
    return this.#credentials;
  }
}
