import type { View } from './view.ts';

export interface Witnessed {
  readonly clusterId: string;
  readonly by: string;
}

/** Who remembers a cluster of this name: the record, an agent, or a backup. */
export function witnessedCluster(view: View): Witnessed | undefined {
  if (view.record?.clusterId !== undefined && view.record.clusterId !== null)
    return { clusterId: view.record.clusterId, by: 'the record in the backup store' };
  for (const host of view.hosts) {
    const latched = host.facts?.member.latched;
    if (latched !== undefined && latched !== null)
      return { clusterId: latched.clusterId, by: `the agent on host ${host.name}` };
  }
  const backup = view.live.backups.known ? view.live.backups.value[0] : undefined;
  return backup === undefined
    ? undefined
    : { clusterId: backup.proof?.clusterId ?? 'unknown', by: `backup ${backup.name} in the store` };
}

export function freshId(view: View): string {
  const used = usedIds(view);
  for (let number = 2; number < 1000; number++) if (!used.has(`again-${number}`)) return `again-${number}`;
  return 'another-id';
}

function usedIds(view: View): ReadonlySet<string> {
  return new Set([
    ...(view.record?.bootstrapIds ?? []),
    ...view.hosts.flatMap((host) => host.facts?.member.latched?.bootstrapId ?? []),
  ]);
}

export function isUsed(view: View, id: string): boolean {
  return usedIds(view).has(id);
}
