import type { RecordedBootstrap } from '../backup/store.ts';
import { memberFlags } from '../etcd/flags.ts';
import { type HostSpec, peerUrl } from '../spec/cluster-spec.ts';
import type { Draft } from './draft.ts';
import { isPristine, type View } from './view.ts';

/** A bootstrap that was begun goes on with the hosts, URLs and token it began with, whatever the spec says by now. */
export function continueBootstrap(view: View, operation: RecordedBootstrap, draft: Draft): void {
  const hosts = operation.hosts.flatMap((name) => view.spec.hosts.find((host) => host.name === name) ?? []);
  const initialCluster = hosts.map((host) => `${host.name}=${peerUrl(host)}`).join(',');
  if (hosts.length < operation.hosts.length || initialCluster !== operation.initialCluster) {
    draft.refuse({
      code: 'bootstrap-interrupted',
      summary: 'A bootstrap is half done and its hosts have changed in the spec.',
      detail: `Bootstrap ${operation.bootstrapId} began with ${operation.initialCluster}; the spec now gives ${initialCluster}.`,
      remedy:
        'Put those hosts and ports back as they were until the cluster has formed. If no member of it ever ran, a new bootstrap.id starts afresh.',
    });
    return;
  }
  bootstrapStep(view, draft, hosts, { ...operation, discardData: operation.discardData ?? undefined });
}

export function bootstrapStep(
  view: View,
  draft: Draft,
  hosts: readonly HostSpec[],
  words: {
    readonly bootstrapId: string;
    readonly token: string;
    readonly initialCluster: string;
    readonly discardData: string | undefined;
  },
): void {
  const { discardData } = words;
  const archived = view.hosts.flatMap((host) => {
    if (!hosts.some((chosen) => chosen.name === host.name)) return [];
    const data = host.facts?.member.data;
    return data?.state === 'present' && data.clusterId === discardData ? [host.name] : [];
  });
  const isFresh = view.hosts.every((host) => host.facts !== undefined && isPristine(host.facts));
  draft.step({
    action: 'bootstrap-cluster',
    target: view.spec.name,
    reason: isFresh ? 'declared' : discardData === undefined ? 'bootstrap-interrupted' : 'declared-discard',
    risk: discardData === undefined ? 'none' : 'destructive',
    requires: ['hosts-empty', 'bootstrap-declared'],
    ensures: ['all-members-healthy'],
    detail: {
      version: view.spec.version,
      bootstrapId: words.bootstrapId,
      token: words.token,
      initialCluster: words.initialCluster,
      hosts: Object.fromEntries(hosts.map((host) => [host.name, memberFlags(view.spec, host)])),
      ...(discardData === undefined ? {} : { discardData }),
      ...(archived.length === 0
        ? {}
        : { differences: [`the data of cluster ${discardData} on ${archived.join(', ')} → archived, no longer used`] }),
    },
  });
}
