import { readRecord } from '../backup/record.ts';
import type { StoredRecord } from '../backup/store.ts';
import { describeError } from '../base/errors.ts';
import { known, type Observation, unknown } from '../base/observation.ts';
import { type ClusterSpec, clientUrl } from '../spec/cluster-spec.ts';
import type { LiveHost, LiveHostFacts, LiveState } from './live-state.ts';
import { observeEtcd } from './observe-etcd.ts';
import type { Sight } from './sight.ts';

/** The part of the state that only Quorate itself changes: within a step it is read once. */
export type Witnesses = Pick<LiveState, 'record' | 'backups' | 'authorities'>;

/** One look at everything. Never throws: what does not answer is unknown, with the reason. */
export async function observe(spec: ClusterSpec, sight: Sight, witnesses?: Witnesses): Promise<LiveState> {
  const [{ record, backups, authorities }, declared] = await Promise.all([
    witnesses ?? readWitnesses(spec, sight),
    Promise.all(spec.hosts.map((host) => observeHost(spec.name, { ...host, declared: true }, sight))),
  ]);
  // Hosts that left the spec but may still run a member are known from the record alone.
  const others = await Promise.all(
    hostsOf(record)
      .filter((host) => !spec.hosts.some((candidate) => candidate.name === host.name))
      .map((host) => observeHost(spec.name, { ...host, declared: false }, sight)),
  );
  const hosts = [...declared, ...others];
  return {
    cluster: spec.name,
    observedAtMs: sight.clock.now(),
    hosts,
    record,
    backups,
    authorities,
    etcd: isSurelyDown(hosts)
      ? unknown('no member runs on any host')
      : await observeEtcd(spec, endpointsOf(spec, hosts), sight),
  };
}

async function readWitnesses(spec: ClusterSpec, sight: Sight): Promise<Witnesses> {
  const [record, backups, authorities] = await Promise.all([
    attempt(() => readRecord(sight.store, spec.name)),
    attempt(async () => (await sight.catalog.list()).backups),
    attempt(() => sight.keystore.authorities(spec.name)),
  ]);
  return { record, backups, authorities };
}

async function attempt<T>(look: () => Promise<T>): Promise<Observation<T>> {
  try {
    return known(await look());
  } catch (error) {
    return unknown(describeError(error));
  }
}

function hostsOf(record: Observation<StoredRecord | null>): StoredRecord['record']['hosts'] {
  return record.known ? (record.value?.record.hosts ?? []) : [];
}

async function observeHost(
  cluster: string,
  host: { readonly name: string; readonly agent: string; readonly address: string; readonly declared: boolean },
  sight: Sight,
): Promise<LiveHost> {
  const facts = await attempt(async (): Promise<LiveHostFacts> => {
    const all = await sight.agent(host).facts(cluster);
    return {
      host: { nowMs: all.nowMs, disk: all.disk, binaries: all.binaries, agentVersion: all.agentVersion },
      // A cluster may be called `constructor`.
      member: (Object.hasOwn(all.clusters, cluster) ? all.clusters[cluster] : undefined) ?? neverSeen,
    };
  });
  return { name: host.name, agent: host.agent, address: host.address, declared: host.declared, facts };
}

/** What an agent says of a cluster that it has never had anything to do with. */
const neverSeen: LiveHostFacts['member'] = {
  process: { state: 'absent', restarts: 0 },
  data: { state: 'empty', archives: [] },
  latched: null,
  certificates: { peer: null, client: null },
  epoch: 0,
  restore: { staged: null, prepared: null },
};

/** Every agent answered and none runs a member: no need to knock at etcd's door. */
function isSurelyDown(hosts: readonly LiveHost[]): boolean {
  return hosts.every((host) => host.facts.known && host.facts.value.member.process.state !== 'running');
}

/**
 * Where a member may answer, those that surely run first. A running one says itself where it listens,
 * which is all that is known of a host that left the spec, and right while a port is being changed.
 */
function endpointsOf(spec: ClusterSpec, hosts: readonly LiveHost[]): readonly string[] {
  const running: string[] = [];
  const silent: string[] = [];
  for (const host of hosts) {
    const declared = spec.hosts.find((candidate) => candidate.name === host.name);
    const url = declared === undefined ? undefined : clientUrl(declared);
    if (!host.facts.known) {
      if (url !== undefined) silent.push(url);
      continue;
    }
    const { state, flags } = host.facts.value.member.process;
    const advertised = flags?.['advertise-client-urls']?.split(',')[0] ?? url;
    if (state === 'running' && advertised !== undefined) running.push(advertised);
  }
  return [...running, ...silent];
}
