import type { AgentCommands } from '../agent/wire.ts';
import { QuorateError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Transfer } from '../base/transfer.ts';
import type { EtcdApi } from '../etcd/api.ts';
import type { LiveState } from '../observe/live-state.ts';
import type { Sight } from '../observe/sight.ts';
import type { Step } from '../plan/plan.ts';
import type { ClusterSpec, HostSpec } from '../spec/cluster-spec.ts';

/** One action: how it is done, and how it is seen from outside that it is done. */
export interface StepModule {
  /** Idempotent: the run may have died anywhere in an earlier one. */
  act(step: Step, context: StepContext): Promise<void>;
  /** Undefined: what the step ensures is there. Otherwise what is still missing, for people. */
  missing(step: Step, live: LiveState, context: StepContext): string | undefined;
  /** How long to wait for that, in milliseconds. */
  readonly timeoutMs: number;
}

export interface StepContext {
  readonly spec: ClusterSpec;
  readonly commit: string;
  readonly runId: string;
  readonly epoch: number;
  readonly sight: Sight;
  readonly log: Logger;
  /** Seen just before the step. */
  readonly live: LiveState;
  readonly signal: AbortSignal;
  /** Text for people while a step takes long. */
  readonly progress: (text: string) => void;
  /** For steps that move bytes; told as often as it suits the step, whoever shows it chooses what to show. */
  readonly transfer: (transfer: Transfer) => void;
  /** Set by the backup step, read by the guard. */
  readonly backedUp: (backup: { readonly name: string; readonly clusterId: string }) => void;
}

/** Commands to the agent of a host, under this run's fencing epoch. The host may be known from the record alone. */
export function agentOf(context: StepContext, host: string): AgentCommands {
  const place = context.live.hosts.find((candidate) => candidate.name === host);
  if (place === undefined) throw unknownHost(context, host);
  return context.sight.agent(place).commands(context.spec.name, { epoch: context.epoch, runId: context.runId });
}

export function hostOf(context: StepContext, host: string): HostSpec {
  const spec = context.spec.hosts.find((candidate) => candidate.name === host);
  if (spec === undefined) throw unknownHost(context, host);
  return spec;
}

function unknownHost(context: StepContext, host: string): QuorateError {
  return new QuorateError({
    code: 'host-unknown',
    kind: 'stalled',
    operation: `apply ${context.spec.name}`,
    summary: `the plan names host ${host}, which is neither in the spec nor on record`,
  });
}

/** A part of a long step begins: told to people, and to the log, where a reader finds how far a dead run had come. */
export function begin(part: string, context: StepContext): void {
  context.log.info({ part }, 'part begins');
  context.progress(part);
}

/** A client that asks the healthy voters, wherever they say that they listen. */
export async function etcdOf(context: StepContext): Promise<EtcdApi> {
  const members = context.live.etcd.known ? context.live.etcd.value.members : [];
  const endpoints = members.flatMap((member) =>
    member.health.known && !member.isLearner ? member.clientUrls.slice(0, 1) : [],
  );
  const etcd = endpoints.length === 0 ? undefined : await context.sight.etcd(endpoints);
  if (etcd === undefined) {
    throw new QuorateError({
      code: 'no-quorum',
      kind: 'transient',
      operation: `apply ${context.spec.name}`,
      summary: 'no healthy member could be asked',
    });
  }
  return etcd;
}
