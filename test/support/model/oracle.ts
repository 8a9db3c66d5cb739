import type { StartRequest } from '../../../src/agent/wire.ts';
import { isInQuarantine, leaderOf, nodesOf, quorum, raftOf, votersOf } from './raft.ts';
import { type DataDir, type HostState, keysOf, membersOf, revisionOf, type WorldState } from './state.ts';

/**
 * Watches one controller. It knows the whole truth of the world, and shares no code with planner and
 * guards. What it finds is kept in the world's `violations`; a run that is right leaves none.
 */
export class Oracle {
  readonly #state: WorldState;
  /** Clusters of which this very run has put a verified backup into the store. */
  readonly #backedUp = new Set<string>();

  constructor(state: WorldState) {
    this.#state = state;
  }

  /** A new run: what an earlier one backed up does not count. */
  runBegins(): void {
    this.#backedUp.clear();
  }

  /** A backup was listed in the store, with its proof. */
  backupTaken(clusterId: string, revision: number): void {
    const leader = leaderOf(this.#state, clusterId);
    if (leader !== undefined && revision < revisionOf(leader.data))
      this.#complain(`a backup of ${clusterId} lacks acknowledged keys`);
    this.#backedUp.add(clusterId);
  }

  /** A change inside etcd. */
  beforeChange(what: string, clusterId: string): void {
    const leader = leaderOf(this.#state, clusterId);
    if (what === 'move-leader' && leader !== undefined && isInQuarantine(leader.process)) return;
    if (!this.#backedUp.has(clusterId)) this.#complain(`${what} without a verified backup in this run`);
  }

  /** A leader that removes itself leaves an election behind, which is no loss. */
  afterChange(what: string, clusterId: string): void {
    const { leaderId } = raftOf(this.#state, clusterId);
    const node = nodesOf(this.#state, clusterId).find((candidate) => candidate.data.memberId === leaderId);
    if (node === undefined) return;
    const voters = votersOf(node.data);
    const running = voters.filter((voter) => this.#isRunning(clusterId, voter.id));
    if (running.length < quorum(voters.length)) this.#complain(`${what} left no quorum`);
  }

  beforeStart(host: HostState, request: StartRequest): void {
    const { join } = request;
    if (host.member.data !== null || join?.state !== 'new') return;
    const { bootstrapIds, discarded } = this.#state.words;
    if (join.bootstrapId === undefined || !bootstrapIds.includes(join.bootstrapId))
      this.#complain(`${host.name} bootstraps without words`);
    if (join.discardData === undefined) return;
    if (!discarded.includes(join.discardData))
      this.#complain(`${host.name} discards ${join.discardData} without words`);
    else if (leaderOf(this.#state, join.discardData) !== undefined)
      this.#complain(`${host.name} discards ${join.discardData}, which is alive`);
    else this.#state.acknowledged = [];
  }

  beforeStop(host: HostState): void {
    const { data, process } = host.member;
    // No client has ever been let in to what is in quarantine.
    if (data === null || process === null || isInQuarantine(process)) return;
    const leader = leaderOf(this.#state, data.clusterId);
    const isReplaced = this.#isReplaced();
    if (leader === undefined) {
      if (!this.#state.words.discarded.includes(data.clusterId) && !isReplaced)
        this.#complain(`${host.name} was stopped while its cluster had no quorum`);
      return;
    }
    if (isReplaced && data.clusterId !== this.#restored()?.clusterId) {
      if (!this.#state.words.discarded.includes(data.clusterId))
        this.#complain(`${host.name} was stopped for a restore while its cluster was alive, without words`);
      if (!this.#backedUp.has(data.clusterId)) this.#complain(`${host.name} was stopped without a verified backup`);
      return;
    }
    const voters = votersOf(leader.data);
    if (!voters.some((voter) => voter.id === data.memberId)) return;
    if (!this.#backedUp.has(data.clusterId)) this.#complain(`${host.name} was stopped without a verified backup`);
    // A single member is its own outage; the plan has to say so, which its scenario shows.
    if (voters.length === 1) return;
    if (leader.host === host) this.#complain(`${host.name} was stopped while it led`);
    const others = voters.filter((voter) => voter.id !== data.memberId);
    const running = others.filter((voter) => this.#isRunning(data.clusterId, voter.id));
    if (running.length < quorum(voters.length)) this.#complain(`stopping ${host.name} leaves no quorum`);
    if (others.some((voter) => this.#isStoppedByUs(voter.id)))
      this.#complain(`${host.name} is the second one stopped by us`);
  }

  /** Restored data takes the place of other data: on words, when nothing serves any more, and the same everywhere. */
  beforeInstall(host: HostState, prepared: { readonly bootstrapId: string; readonly data: DataDir }): void {
    const { words, acknowledged } = this.#state;
    if (!words.restores.includes(prepared.bootstrapId)) this.#complain(`${host.name} is restored without words`);
    for (const clusterId of Object.keys(this.#state.rafts))
      if (leaderOf(this.#state, clusterId) !== undefined)
        this.#complain(`${host.name} is restored while cluster ${clusterId} serves`);
    const keys = new Set(keysOf(prepared.data));
    // What came after the backup is given up by the words.
    this.#state.acknowledged = acknowledged.filter((key) => keys.has(key));
  }

  beforeArchive(host: HostState): void {
    const { data } = host.member;
    if (data === null || this.#state.words.discarded.includes(data.clusterId)) return;
    // A cluster whose place was taken and which comes back on hosts that were away.
    if (this.#isReplaced() && this.#restored()?.clusterId !== data.clusterId) return;
    if (this.#isReplaced() && leaderOf(this.#state, data.clusterId) === undefined) return;
    const leader = leaderOf(this.#state, data.clusterId);
    if (leader === undefined) this.#complain(`the data of ${host.name} was moved away while nobody served it`);
    else if (membersOf(leader.data).some((member) => member.id === data.memberId))
      this.#complain(`the data of ${host.name} was moved away while it is a member`);
    if (!this.#backedUp.has(data.clusterId)) this.#complain(`the data of ${host.name} was moved away without a backup`);
  }

  /** Every declared member has restored data lying ready, or in place. */
  #isReplaced(): boolean {
    const { restores } = this.#state.words;
    return Object.values(this.#state.hosts).some(
      ({ member }) =>
        restores.includes(member.prepared?.bootstrapId ?? '') || restores.includes(member.latched?.bootstrapId ?? ''),
    );
  }

  #restored(): { readonly clusterId: string } | undefined {
    const { restores } = this.#state.words;
    const newest = restores.at(-1);
    const hosts = Object.values(this.#state.hosts);
    const latched = hosts.find(({ member }) => member.latched?.bootstrapId === newest)?.member.latched;
    return latched ?? undefined;
  }

  #isRunning(clusterId: string, memberId: string): boolean {
    return nodesOf(this.#state, clusterId).some((node) => node.data.memberId === memberId);
  }

  #isStoppedByUs(memberId: string): boolean {
    return Object.values(this.#state.hosts).some(
      ({ member }) => member.data?.memberId === memberId && member.process === null && member.desired === 'stop',
    );
  }

  #complain(what: string): void {
    complain(this.#state, what);
  }
}

/** At any moment, whoever acted: one cluster serves at most, with every key that was acknowledged. */
export function checkServing(state: WorldState): void {
  const ids = Object.keys(state.rafts).filter((clusterId) => leaderOf(state, clusterId) !== undefined);
  if (ids.length > 1) complain(state, `${ids.length} clusters serve at once: ${ids.join(', ')}`);
  for (const clusterId of ids) {
    const leader = leaderOf(state, clusterId);
    const keys = new Set(leader === undefined ? [] : keysOf(leader.data));
    const lost = state.acknowledged.filter((key) => !keys.has(key));
    if (lost.length > 0) complain(state, `${lost.length} acknowledged keys are lost, ${lost[0]} among them`);
  }
}

function complain(state: WorldState, what: string): void {
  if (!state.violations.includes(what)) state.violations.push(what);
}
