import type { ClusterSpec } from '../../../src/spec/cluster-spec.ts';
import { createMemoryStore, type MemoryStore } from '../memory-store.ts';
import { die, powerOff, powerOn, settleHost } from './host-process.ts';
import { checkServing } from './oracle.ts';
import { connectedMs, isInQuarantine, leaderOf, propose, raftOf, settleRafts } from './raft.ts';
import { type HostState, keysOf, newHost, newMember, type WorldState } from './state.ts';

const startMs = Date.parse('2026-11-20T12:00:00Z');

/** Hosts, etcd, a backup store and clients, all in memory, with a clock that moves on demand. */
export class ModelWorld {
  readonly state: WorldState;
  readonly store: MemoryStore;

  private constructor(state: WorldState, store: MemoryStore) {
    this.state = state;
    this.store = store;
  }

  /** Hosts by name: `a` has address 10.0.0.11, `b` 10.0.0.12 and so on. */
  static create(names: readonly string[]): ModelWorld {
    const hosts = Object.fromEntries(names.map((name) => [name, newHost(name, addressOf(name))]));
    return new ModelWorld(
      {
        nowMs: startMs,
        epoch: 0,
        hosts,
        rafts: {},
        alarms: [],
        acknowledged: [],
        words: { bootstrapIds: [], discarded: [], restores: [] },
        authorities: {},
        isKeystoreAway: false,
        leavesIssued: 0,
        violations: [],
      },
      createMemoryStore(),
    );
  }

  /** A world of its own that starts from this one's state. */
  fork(): ModelWorld {
    const store = createMemoryStore();
    for (const [key, bytes] of this.store.objects) store.objects.set(key, bytes);
    Object.assign(store.faults, this.store.faults);
    return new ModelWorld(structuredClone(this.state), store);
  }

  get nowMs(): number {
    return this.state.nowMs;
  }

  host(name: string): HostState {
    const host = this.state.hosts[name];
    if (host === undefined) throw new Error(`the model has no host ${name}`);
    return host;
  }

  /** What a commit says in words is allowed from now on. */
  declare(spec: ClusterSpec): void {
    const { bootstrapIds, discarded, restores } = this.state.words;
    const { bootstrap } = spec;
    if (bootstrap === undefined) return;
    if (!bootstrapIds.includes(bootstrap.id)) bootstrapIds.push(bootstrap.id);
    if (bootstrap.from !== 'empty' && !restores.includes(bootstrap.id)) restores.push(bootstrap.id);
    if (bootstrap.discardData !== undefined) discarded.push(bootstrap.discardData);
  }

  /** The cluster that serves, and its leader's host. */
  serving(): { readonly clusterId: string; readonly leader: string } | undefined {
    for (const clusterId of Object.keys(this.state.rafts)) {
      const leader = leaderOf(this.state, clusterId);
      if (leader !== undefined) return { clusterId, leader: leader.host.name };
    }
    return undefined;
  }

  /** A client writes keys; those that etcd acknowledges must never be lost. */
  put(count: number): void {
    for (let written = 0; written < count; written++) {
      const clusterId = this.serving()?.clusterId;
      const leader = clusterId === undefined ? undefined : leaderOf(this.state, clusterId);
      // Clients do not know the port of a quarantine.
      if (leader === undefined || isInQuarantine(leader.process)) return;
      const key = `key-${this.state.nowMs}-${keysOf(leader.data).length}`;
      propose(this.state, leader, { type: 'put', key });
      this.state.acknowledged.push(key);
    }
    this.settle();
  }

  // What goes wrong ------------------------------------------------------------------------------------------

  /** The process ends; the agent starts it again after a while. */
  kill(name: string): void {
    const host = this.host(name);
    if (host.member.process !== null) die(this.state, host, 'signal: killed');
    this.settle();
  }

  /** Somebody stopped it through the agent, or a controller died between stop and start. */
  stop(name: string): void {
    Object.assign(this.host(name).member, { desired: 'stop', process: null, restartAtMs: null });
    this.settle();
  }

  crashLoop(name: string, isCrashing: boolean): void {
    this.host(name).isCrashing = isCrashing;
    if (isCrashing) this.kill(name);
  }

  powerOff(name: string): void {
    powerOff(this.host(name));
    this.settle();
  }

  powerOn(name: string): void {
    powerOn(this.state, this.host(name));
    this.settle();
  }

  /** The data disk comes back empty; the agent's own memory is elsewhere. */
  wipe(name: string): void {
    const { member } = this.host(name);
    Object.assign(member, { data: null, process: null, restartAtMs: null, archives: [] });
    this.settle();
  }

  /** Another machine under the same name: nothing is left, not even the agent's memory. */
  replaceHost(name: string): void {
    this.host(name).member = newMember();
    this.settle();
  }

  /** The leader hands over, as it may at any time. */
  lead(name: string): void {
    const { data } = this.host(name).member;
    if (data === null) throw new Error(`host ${name} cannot lead: it has no data`);
    raftOf(this.state, data.clusterId).leaderId = data.memberId;
    this.settle();
  }

  // Time -----------------------------------------------------------------------------------------------------

  nextEventMs(): number | undefined {
    const { nowMs, hosts, rafts } = this.state;
    let next: number | undefined;
    const consider = (ms: number | null): void => {
      if (ms !== null && ms > nowMs && (next === undefined || ms < next)) next = ms;
    };
    for (const id in rafts) consider(rafts[id]?.electionAtMs ?? null);
    for (const name in hosts) {
      const host = hosts[name];
      if (host === undefined || !host.isOn) continue;
      consider(host.member.restartAtMs);
      const { process } = host.member;
      if (process === null) continue;
      consider(process.endsAtMs);
      consider(process.caughtUpAtMs);
      consider(process.startedAtMs + connectedMs);
    }
    return next;
  }

  /** Commands settle what they change themselves, so that only what time brings is looked for here. */
  advanceTo(ms: number): void {
    // What happens may make more happen; a process that crashes at once does so each second.
    for (let count = 0; count < 10_000; count++) {
      const next = this.nextEventMs();
      if (next === undefined || next > ms) break;
      this.state.nowMs = next;
      this.settle();
    }
    this.state.nowMs = Math.max(this.state.nowMs, ms);
  }

  /** Lets happen what is due by now, and looks at what came of it. */
  settle(): void {
    for (let round = 0; round < 3; round++) {
      for (const host of Object.values(this.state.hosts)) settleHost(this.state, host);
      settleRafts(this.state);
    }
    checkServing(this.state);
  }
}

export function addressOf(name: string): string {
  return `10.0.0.${11 + (name.codePointAt(0) ?? 97) - 97}`;
}
