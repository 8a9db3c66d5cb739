import { archive } from './archive.ts';
import type { Draft } from './draft.ts';
import type { ClusterView } from './view.ts';

/** Hosts that hold data of this cluster but are no longer on its member list: stopped and archived, never deleted. */
export function planLeftovers(view: ClusterView, draft: Draft): 'continue' | 'stop' {
  for (const host of view.hosts) {
    if (host.facts === undefined || host.member !== undefined) continue;
    // The membership steps of this plan archive their own.
    if (draft.steps.some((step) => step.target === host.name)) continue;
    const { data, process } = host.facts.member;
    if (data.state === 'empty' && process.state !== 'running') continue;
    if (data.clusterId !== undefined && view.record?.replaced?.includes(data.clusterId) === true) {
      // Its cluster was given up by words; running on, it would serve old data to whoever still asks it.
      archive(draft, host.name, data.memberId ?? 'unknown', 'replaced');
      continue;
    }
    if (data.clusterId !== undefined && data.clusterId !== view.cluster.clusterId) {
      draft.warn({
        code: 'foreign-data',
        summary: 'A host holds the data of another cluster.',
        detail: `Host ${host.name} holds data of cluster ${data.clusterId}, which is not ${view.cluster.clusterId}. It is left alone and not used.`,
      });
      continue;
    }
    if (data.memberId === undefined || view.cluster.members.some((member) => member.id === data.memberId)) continue;
    archive(draft, host.name, data.memberId);
  }
  return 'continue';
}
