import type { ProcessFacts } from '../../agent/wire.ts';
import { QuorateError } from '../../base/errors.ts';
import { silentLogger } from '../../base/log.ts';
import { waitUntil } from '../../base/wait.ts';
import { loadControllerConfig } from '../../controller/config.ts';
import { openWorld, type World } from '../../controller/world.ts';
import { isHealthy, type LiveMember, type LiveState } from '../../observe/live-state.ts';
import { observe } from '../../observe/observe.ts';
import type { Plan } from '../../plan/plan.ts';
import { plan } from '../../plan/planner.ts';
import type { ClusterSpec } from '../../spec/cluster-spec.ts';
import { issueClientCredentials } from '../../tls/client-credentials.ts';
import type { ClientCredentials } from '../../tls/keystore.ts';
import { desiredAt, selectOne } from '../context.ts';
import type { LoopbackFleet } from './loopback-fleet.ts';

export interface Look {
  readonly spec: ClusterSpec;
  readonly live: LiveState;
  readonly plan: Plan;
}

const lookEveryMs = 75;

/** Looks at a fleet from outside of its controller, with eyes of its own. Changes nothing. */
export class Lookout {
  readonly world: World;
  readonly #fleet: LoopbackFleet;

  private constructor(fleet: LoopbackFleet, world: World) {
    this.#fleet = fleet;
    this.world = world;
  }

  static async open(fleet: LoopbackFleet): Promise<Lookout> {
    return new Lookout(fleet, await openWorld(await loadControllerConfig(fleet.config), silentLogger));
  }

  close(): Promise<void> {
    return this.world.close();
  }

  /** The cluster at this moment, and what the head of Git would have done to it. */
  async look(): Promise<Look> {
    const { spec, commit } = selectOne(await desiredAt(this.world, undefined), this.#fleet.cluster);
    const live = await observe(spec, await this.world.sight(spec));
    return { spec, live, plan: plan(spec, live, commit) };
  }

  /** Every agent answers. */
  async waitForAgents(timeoutMs: number, signal: AbortSignal): Promise<void> {
    await this.until(`agents ${this.#fleet.hosts.join(', ')} to answer`, timeoutMs, signal, async () => {
      const answers = await Promise.all(this.#fleet.hosts.map((host) => this.etcdOn(host)));
      return answers.every((answer) => answer !== undefined) ? true : undefined;
    });
  }

  /** The etcd process of a host as its agent sees it, null without one; undefined when the agent does not answer. */
  async etcdOn(host: string): Promise<ProcessFacts | null | undefined> {
    try {
      const facts = await this.world.agent({ name: host, agent: this.#fleet.agentUrl(host) }).facts();
      return facts.clusters[this.#fleet.cluster]?.process ?? null;
    } catch {
      return undefined;
    }
  }

  /** Waits until Git and the cluster say the same: every member healthy, nothing to do, nothing refused. */
  async waitUntilConverged(timeoutMs: number, signal: AbortSignal): Promise<Look> {
    let last: Look | undefined;
    const waiting = this.until(`the cluster to be as declared`, timeoutMs, signal, async () => {
      last = await this.look();
      return isConverged(last) ? last : undefined;
    });
    return waiting.catch((error: unknown) => {
      if (!(error instanceof QuorateError) || error.code !== 'not-seen' || last === undefined) throw error;
      const { refusals, waits, steps } = last.plan;
      const seen = [...refusals, ...waits].map((notice) => notice.detail);
      const open = steps.map((step) => `${step.action} ${step.target}`).join(', ');
      const summary = `${error.summary}. ${[...seen, `To do: ${open === '' ? 'nothing' : open}.`].join(' ')}`;
      throw new QuorateError({
        code: error.code,
        kind: error.kind,
        operation: error.operation,
        summary,
        remedy: error.remedy,
      });
    });
  }

  /** A certificate of an ordinary client. */
  async credentials(): Promise<ClientCredentials> {
    const { spec } = selectOne(await desiredAt(this.world, undefined), this.#fleet.cluster);
    const { keystore, clock } = this.world;
    return issueClientCredentials({ keystore, cluster: spec.name, ...spec.tls.client, clock, commonName: 'writer' });
  }

  /** Looks until something is seen. Throws `not-seen` when the time is over, or `process-ended` as soon as one has. */
  async until<T>(what: string, timeoutMs: number, signal: AbortSignal, see: () => Promise<T | undefined>): Promise<T> {
    const waited = await waitUntil(this.world.clock, { timeoutMs, intervalMs: lookEveryMs, signal }, async () => {
      await this.#fleet.assertRunning();
      return see();
    });
    if (waited.seen) return waited.value;
    throw new QuorateError({
      code: 'not-seen',
      kind: 'stalled',
      operation: `wait for ${what}`,
      summary: `it was not so within ${Math.round(timeoutMs / 1000)} s`,
      remedy: `The logs of the controller and the agents are in ${this.#fleet.folder}/logs.`,
    });
  }
}

export function isConverged({ spec, live, plan: made }: Look): boolean {
  const members = membersOf(live);
  return (
    made.steps.length + made.refusals.length + made.waits.length === 0 &&
    members.length === spec.members &&
    members.every((member) => !member.isLearner && isHealthy(member))
  );
}

export function membersOf(live: LiveState): readonly LiveMember[] {
  return live.etcd.known ? live.etcd.value.members : [];
}

export function leaderOf(live: LiveState): LiveMember | undefined {
  return live.etcd.known
    ? live.etcd.value.members.find(({ id }) => live.etcd.known && id === live.etcd.value.leaderId)
    : undefined;
}
