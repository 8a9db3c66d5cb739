import { QuorateError } from '../base/errors.ts';
import type { LiveHostFacts, LiveState } from '../observe/live-state.ts';
import type { Step } from '../plan/plan.ts';
import type { ClusterSpec } from '../spec/cluster-spec.ts';

/** What a guard looks at: the step, what was declared, and what is there now. */
export interface GuardInput {
  readonly step: Step;
  readonly spec: ClusterSpec;
  readonly live: LiveState;
  /** The verified backup of this very run, and the cluster it was taken of. */
  readonly backup: { readonly name: string; readonly clusterId: string } | null;
  /** Fencing epoch of this run. */
  readonly epoch: number;
}

export function refuse(input: GuardInput, code: string, summary: string): never {
  throw new QuorateError({
    code,
    kind: 'refused',
    operation: `guard ${input.step.action} ${input.step.target}`,
    summary,
    remedy: 'Nothing was done. Look at `quorate status`; the next loop plans from what is then there.',
  });
}

/** What a host says; refuses when it does not answer. */
export function facts(input: GuardInput, host = input.step.target): LiveHostFacts {
  const found = input.live.hosts.find((candidate) => candidate.name === host);
  if (found === undefined) return refuse(input, 'host-unknown', `no host ${host} in the spec or on record`);
  if (!found.facts.known)
    return refuse(input, 'agent-unreachable', `the agent of ${host} does not answer (${found.facts.reason})`);
  return found.facts.value;
}
