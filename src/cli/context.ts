import { formatDiagnostic } from '../base/diagnostics.ts';
import { QuorateError } from '../base/errors.ts';
import { silentLogger } from '../base/log.ts';
import { loadControllerConfig } from '../controller/config.ts';
import { type Desired, type DesiredCluster, openSpecMemory } from '../controller/specs.ts';
import { openWorld, type World } from '../controller/world.ts';
import type { ClusterSpec } from '../spec/cluster-spec.ts';

/** `--config`, else `$QUORATE_CONFIG`, else `./controller.yaml`. An empty variable is none, as everywhere in a shell. */
export function configPath(option: string | undefined, environment: NodeJS.ProcessEnv = process.env): string {
  const variable = environment['QUORATE_CONFIG'];
  return option ?? (variable === undefined || variable === '' ? 'controller.yaml' : variable);
}

/** Opens the real things for one command and closes them after it. Logs stay silent: the command speaks itself. */
export async function withWorld<T>(config: string | undefined, work: (world: World) => Promise<T>): Promise<T> {
  const world = await openWorld(await loadControllerConfig(configPath(config)), silentLogger);
  try {
    return await work(world);
  } finally {
    await world.close();
  }
}

/** What Git says at a revision, or at the head of the followed ref. Never changes what is remembered as last good. */
export async function desiredAt(world: World, ref: string | undefined): Promise<Desired> {
  const { repository } = world;
  const commit = ref === undefined ? await repository.head() : await repository.resolve(ref);
  const specs = await openSpecMemory(world.config.state);
  return specs.resolve(await repository.read(commit), false);
}

export interface SelectedCluster extends DesiredCluster {
  readonly spec: ClusterSpec;
}

/** The named cluster, or all. Findings that keep a spec from being used end the command, with their places. */
export function select(desired: Desired, name: string | undefined): readonly SelectedCluster[] {
  const chosen = name === undefined ? desired.clusters : desired.clusters.filter((cluster) => cluster.name === name);
  const findings = [
    ...(name === undefined || chosen.length === 0 ? desired.diagnostics : []),
    ...chosen.flatMap((cluster) => cluster.diagnostics),
  ];
  const errors = findings.filter((diagnostic) => diagnostic.severity === 'error');
  if (errors.length > 0) {
    throw new QuorateError({
      code: 'spec-invalid',
      kind: 'invalid',
      operation: `read the specs of commit ${desired.commit.slice(0, 12)}`,
      summary: `\n${errors.map(formatDiagnostic).join('\n')}`,
    });
  }
  const readable = chosen.flatMap((cluster) =>
    cluster.spec === undefined ? [] : [{ ...cluster, spec: cluster.spec }],
  );
  if (readable.length > 0 || name === undefined) return readable;
  throw new QuorateError({
    code: 'cluster-unknown',
    kind: 'invalid',
    operation: `find cluster ${name}`,
    summary: `commit ${desired.commit.slice(0, 12)} has no spec of that name`,
    remedy: `Known clusters: ${desired.clusters.map((cluster) => cluster.name).join(', ') || 'none'}.`,
  });
}

/** Exactly one cluster: the named one, or the only one there is. */
export function selectOne(desired: Desired, name: string | undefined): SelectedCluster {
  const [only, another] = select(desired, name);
  if (only !== undefined && another === undefined) return only;
  throw new QuorateError({
    code: 'cluster-not-named',
    kind: 'invalid',
    operation: 'choose a cluster',
    summary: only === undefined ? 'the repository holds no cluster' : 'there are several clusters',
    remedy: 'Name one with --cluster NAME.',
  });
}
