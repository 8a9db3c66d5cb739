import { leaderOf, nodesOf } from './raft.ts';
import { membersOf } from './state.ts';
import type { ModelWorld } from './world.ts';

/** What a run has to lead to, whatever happened on the way; who leads and all ids are left out. */
export interface EndState {
  readonly members: readonly string[];
  readonly running: readonly string[];
  readonly withData: readonly string[];
  readonly keys: number;
  readonly violations: readonly string[];
}

export function endStateOf(world: ModelWorld): EndState {
  const { state } = world;
  const serving = world.serving();
  const leader = serving === undefined ? undefined : leaderOf(state, serving.clusterId);
  const members = leader === undefined ? [] : membersOf(leader.data);
  const nodes = leader === undefined ? [] : nodesOf(state, leader.data.clusterId);
  return {
    members: members.map((member) => `${member.name}${member.isLearner ? ' (learner)' : ''}`).toSorted(),
    running: nodes.map((node) => node.host.name).toSorted(),
    withData: Object.values(state.hosts)
      .flatMap((host) => (host.member.data === null ? [] : [host.name]))
      .toSorted(),
    keys: state.acknowledged.length,
    violations: state.violations,
  };
}

/** A call that changes nothing: dying before the next call leaves the same world as dying before this one. */
export function isLook(call: string): boolean {
  return /facts|logs|status|probe|member-list|alarms|hash-kv|snapshot|: (read|list|open) |authorities/.test(call);
}
