import type { HostFacts } from '../agent/wire.ts';
import { asQuorateError, QuorateError } from '../base/errors.ts';
import { formatSize } from '../base/size.ts';
import type { World } from '../controller/world.ts';
import { renderTable } from '../report/table.ts';
import { desiredAt, type SelectedCluster, withWorld } from './context.ts';
import { exitCodes } from './exit-codes.ts';
import type { Terminal } from './terminal.ts';

export interface HostOptions {
  readonly config?: string;
  readonly host?: string;
  readonly cluster?: string;
}

interface Place {
  readonly name: string;
  readonly agent: string;
  readonly clusters: readonly string[];
}

/** `quorate ps`: the etcd processes of a host, or of all hosts, as the agents see them. */
export async function psCommand(options: HostOptions, terminal: Terminal): Promise<number> {
  return withWorld(options.config, async (world) => {
    const places = await placesOf(world, options.host);
    const looks = await Promise.all(places.map((place) => look(world, place)));
    const rows = looks.flatMap(({ place, facts }) =>
      facts === undefined ? unreachableRows(place) : rowsOf(place, facts),
    );
    terminal.out(renderTable(['HOST', 'CLUSTER', 'STATE', 'PID', 'VERSION', 'MEMBER', 'DATA', 'DISK FREE'], rows));
    const reasons = looks.flatMap(({ place, facts, error }) =>
      facts === undefined ? [`${place.name}: ${error}\n`] : [],
    );
    if (reasons.length > 0) terminal.out(`\n${reasons.join('')}`);
    return looks.every(({ facts }) => facts !== undefined) ? exitCodes.done : exitCodes.error;
  });
}

/** `quorate logs`: the end of a member's log. */
export async function logsCommand(
  options: HostOptions & { readonly lines: number },
  terminal: Terminal,
): Promise<number> {
  return withWorld(options.config, async (world) => {
    const [place] = await placesOf(world, options.host);
    if (place === undefined) throw noHost(options.host ?? '', []);
    const cluster = options.cluster ?? place.clusters[0];
    if (cluster === undefined || (options.cluster === undefined && place.clusters.length > 1)) {
      throw new QuorateError({
        code: 'cluster-not-named',
        kind: 'invalid',
        operation: `read logs of ${place.name}`,
        summary: 'several clusters use this host',
        remedy: `Name one: --cluster ${place.clusters.join(' | ')}`,
      });
    }
    const lines = await world.agent(place).logs(cluster, options.lines);
    terminal.out(lines.map((line) => `${line}\n`).join(''));
    return exitCodes.done;
  });
}

async function placesOf(world: World, name: string | undefined): Promise<readonly Place[]> {
  const desired = await desiredAt(world, undefined);
  const clusters = desired.clusters.filter((cluster): cluster is SelectedCluster => cluster.spec !== undefined);
  const places = new Map<string, Place>();
  for (const { spec } of clusters) {
    for (const host of spec.hosts) {
      const known = places.get(host.name);
      places.set(host.name, { name: host.name, agent: host.agent, clusters: [...(known?.clusters ?? []), spec.name] });
    }
  }
  if (name === undefined) return [...places.values()];
  const place = places.get(name);
  if (place === undefined) throw noHost(name, [...places.keys()]);
  return [place];
}

function noHost(name: string, known: readonly string[]): QuorateError {
  return new QuorateError({
    code: 'host-unknown',
    kind: 'invalid',
    operation: `find host ${name}`,
    summary: 'no spec names it',
    remedy: `Hosts: ${known.join(', ') || 'none'}.`,
  });
}

async function look(world: World, place: Place): Promise<{ place: Place; facts?: HostFacts; error: string }> {
  try {
    return { place, facts: await world.agent(place).facts(), error: '' };
  } catch (error) {
    return { place, error: reasonOf(error) };
  }
}

/** On one line. Which request it was is plain from the command. */
function reasonOf(error: unknown): string {
  const { summary, remedy } = asQuorateError(error, {
    code: 'agent-unreachable',
    kind: 'transient',
    operation: 'ask the agent',
  });
  return `${summary}${remedy === undefined ? '' : `. ${remedy}`}`.replace(/\s*\n\s*/g, ' ');
}

function unreachableRows(place: Place): readonly (readonly string[])[] {
  return place.clusters.map((cluster) => [place.name, cluster, 'unreachable', '-', '-', '-', '-', '-']);
}

function rowsOf(place: Place, facts: HostFacts): readonly (readonly string[])[] {
  return place.clusters.map((cluster) => {
    const member = facts.clusters[cluster];
    const free = formatSize(facts.disk.freeBytes);
    if (member === undefined) return [place.name, cluster, 'absent', '-', '-', '-', 'empty', free];
    const { process: etcd, data } = member;
    return [
      place.name,
      cluster,
      etcd.state,
      String(etcd.pid ?? '-'),
      etcd.version ?? '-',
      data.memberId ?? '-',
      data.state,
      free,
    ];
  });
}
