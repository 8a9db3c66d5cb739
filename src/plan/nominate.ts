import type { ClusterSpec, HostSpec } from '../spec/cluster-spec.ts';

/** What nomination needs to know of a host beyond its spec. */
export interface Candidate {
  readonly spec: HostSpec;
  /** It runs a voter or a learner now. */
  readonly isMember: boolean;
  readonly isHealthy: boolean;
  readonly isLeader: boolean;
  /** Its agent answers and it is fit to take a new member. */
  readonly isAvailable: boolean;
}

/**
 * The hosts that should run a member, `spec.members` of them where there are enough, in spec order.
 * Members stay where they are; what is missing comes from available spares in the zone with the
 * fewest members, what is too many goes first from crowded zones. Cordoned hosts are never chosen.
 * Ties fall to spec order, so the same input gives the same hosts.
 */
export function nominate(spec: ClusterSpec, candidates: readonly Candidate[]): readonly HostSpec[] {
  const eligible = candidates.filter((candidate) => !candidate.spec.cordon);
  const chosen = eligible.filter((candidate) => candidate.isMember);
  while (chosen.length > spec.members) {
    const victim = chosen.toSorted((a, b) => keepOrder(a, b, chosen, spec)).at(-1);
    if (victim === undefined) break;
    chosen.splice(chosen.indexOf(victim), 1);
  }
  const spares = eligible.filter((candidate) => !candidate.isMember && candidate.isAvailable);
  while (chosen.length < spec.members && spares.length > 0) {
    const next = spares.toSorted(
      (a, b) => crowd(a, chosen) - crowd(b, chosen) || orderOf(a, spec) - orderOf(b, spec),
    )[0];
    if (next === undefined) break;
    spares.splice(spares.indexOf(next), 1);
    chosen.push(next);
  }
  return chosen.toSorted((a, b) => orderOf(a, spec) - orderOf(b, spec)).map((candidate) => candidate.spec);
}

/** Negative: `a` is more worth keeping. Healthy before sick, roomy zones before crowded, the leader before followers, early in the file before late. */
function keepOrder(a: Candidate, b: Candidate, chosen: readonly Candidate[], spec: ClusterSpec): number {
  return (
    Number(b.isHealthy) - Number(a.isHealthy) ||
    crowd(a, chosen) - crowd(b, chosen) ||
    Number(b.isLeader) - Number(a.isLeader) ||
    orderOf(a, spec) - orderOf(b, spec)
  );
}

/** How many of the chosen share the zone. A host without a zone is a zone of its own. */
function crowd(candidate: Candidate, chosen: readonly Candidate[]): number {
  const { zone } = candidate.spec;
  return zone === undefined ? 0 : chosen.filter((other) => other.spec.zone === zone).length;
}

function orderOf(candidate: Candidate, spec: ClusterSpec): number {
  return spec.hosts.indexOf(candidate.spec);
}
