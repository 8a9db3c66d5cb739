/** Who may act on a cluster. One implementation per kind: `local-lease.ts`, later etcd. */
export interface Coordination {
  /** Takes the lease, or says who holds it; never waits. */
  tryAcquire(cluster: string, purpose: string): Promise<Lease | LeaseHolder>;
}

export interface Lease {
  readonly held: true;
  /** Fencing epoch: higher than that of every earlier holder. */
  readonly epoch: number;
  /** Aborts when the lease is lost; whoever holds it must stop acting. */
  readonly lost: AbortSignal;
  release(): Promise<void>;
}

export interface LeaseHolder {
  readonly held: false;
  /** Text for people: process, host, purpose, since when. */
  readonly holder: string;
}
