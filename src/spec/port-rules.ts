import type { Position } from '../base/document.ts';
import type { Ports } from './cluster-spec.ts';
import type { EtcdCluster } from './etcd-cluster.generated.ts';
import type { Finding } from './finding.ts';

/** The hosts of a cluster with the place where they were read; the rest of its file may be wrong. */
export interface PlacedCluster {
  readonly name: string;
  readonly hosts: readonly PlacedHost[];
  readonly path: string;
  positionOf(pointer: string): Position;
}

export interface PlacedHost {
  readonly name: string;
  readonly address: string;
  readonly agent: string;
  readonly ports: Ports;
  /** The host has ports of its own in the file. */
  readonly overridesPorts: boolean;
}

export function placedHosts({ spec }: EtcdCluster): readonly PlacedHost[] {
  return spec.hosts.map(({ name, address, agent, ports }) => ({
    name,
    address,
    agent,
    ports: hostPorts(spec.ports, ports),
    overridesPorts: ports !== undefined,
  }));
}

type WrittenPorts = EtcdCluster['spec']['ports'];

export function hostPorts(common: WrittenPorts, own: EtcdCluster['spec']['hosts'][number]['ports']): Ports {
  const client = own?.client ?? common.client;
  return {
    client,
    peer: own?.peer ?? common.peer,
    metrics: own?.metrics ?? common.metrics,
    quarantine: own?.quarantine ?? common.quarantine ?? derivedQuarantine(client),
  };
}

/** Far from the ports that people give to the next host or cluster by adding 1, 10, 100, 1000 or 10 000. */
function derivedQuarantine(client: number): number {
  return client + 5000 > 65_535 ? client - 5000 : client + 5000;
}

/** The clusters concerned: the one that the finding belongs to, and the earlier one, which may be the same. */
export interface Conflict<T extends PlacedCluster> {
  readonly later: T;
  readonly earlier: T;
  readonly finding: Finding;
}

const kinds = ['client', 'peer', 'metrics', 'quarantine'] as const satisfies readonly (keyof Ports)[];

interface Claim<T extends PlacedCluster> {
  readonly cluster: T;
  readonly host: PlacedHost;
  /** What listens, for people. */
  readonly what: string;
  readonly pointer: string;
}

/**
 * Two things that would listen on one port of one machine, within a cluster and between clusters. A machine
 * is known by its address and by its agent, so that two names of one machine are found as well.
 */
export function portConflicts<T extends PlacedCluster>(clusters: readonly T[]): readonly Conflict<T>[] {
  const conflicts: Conflict<T>[] = [];
  const taken = new Map<string, Claim<T>>();
  for (const cluster of clusters) {
    for (const [hostIndex, host] of cluster.hosts.entries()) {
      const own = new Set<number>();
      for (const kind of kinds) {
        const port = host.ports[kind];
        const claim: Claim<T> = {
          cluster,
          host,
          what: `the ${kind} port of ${host.name} of ${cluster.name}`,
          // What is not written leads to the nearest written thing around it.
          pointer:
            own.has(port) && !host.overridesPorts ? `/spec/ports/${kind}` : `/spec/hosts/${hostIndex}/ports/${kind}`,
        };
        const [address, agent] = [`${host.address.toLowerCase()} ${port}`, `${host.agent.toLowerCase()} ${port}`];
        // Two hosts of one cluster with one agent are a finding of their own.
        const sameAgent = taken.get(agent);
        const other = taken.get(address) ?? (sameAgent?.cluster === cluster ? undefined : sameAgent);
        if (other !== undefined) conflicts.push(conflict(claim, port, other, own.has(port)));
        else if (listensAt(host.agent, host.address, port)) conflicts.push(agentConflict(claim, port));
        own.add(port);
        for (const key of [address, agent]) if (!taken.has(key)) taken.set(key, claim);
      }
    }
  }
  return onePerPlace(conflicts);
}

function conflict<T extends PlacedCluster>(
  claim: Claim<T>,
  port: number,
  other: Claim<T>,
  isSameHost: boolean,
): Conflict<T> {
  const { line, column } = other.cluster.positionOf(other.pointer);
  const place = isSameHost ? '' : ` (${other.cluster.path}:${line}:${column})`;
  const detail = `Port ${port} on ${claim.host.address} would be ${claim.what}, and is ${other.what} already${place}. Give one of them another port under ports of its host.`;
  return { later: claim.cluster, earlier: other.cluster, finding: finding(claim, detail) };
}

function agentConflict<T extends PlacedCluster>(claim: Claim<T>, port: number): Conflict<T> {
  const detail = `Port ${port} on ${claim.host.address} would be ${claim.what}, and is the port of its agent, ${claim.host.agent}. Give one of them another port.`;
  return { later: claim.cluster, earlier: claim.cluster, finding: finding(claim, detail) };
}

function finding(claim: Claim<PlacedCluster>, detail: string): Finding {
  return { code: 'port-conflict', summary: 'One port for two', detail, pointer: claim.pointer };
}

function listensAt(agent: string, address: string, port: number): boolean {
  const host = address.includes(':') ? `[${address}]` : address;
  return agent.toLowerCase() === `https://${host}:${port}`.toLowerCase();
}

/** Two hosts with one address clash with all three ports at once; the first says it all. */
function onePerPlace<T extends PlacedCluster>(conflicts: readonly Conflict<T>[]): readonly Conflict<T>[] {
  const seen = new Set<string>();
  return conflicts.filter(({ later, earlier, finding: { pointer } }) => {
    const { line, column } = later.positionOf(pointer);
    const key = `${later.path} ${earlier.path} ${line} ${column}`;
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}
