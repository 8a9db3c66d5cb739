import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { guard, type GuardInput } from '../../../src/apply/guards.ts';
import { known, unknown } from '../../../src/base/observation.ts';
import type { ClusterRecord } from '../../../src/backup/store.ts';
import { QuorateError } from '../../../src/base/errors.ts';
import type { LiveCluster, LiveHost, LiveMember, LiveState } from '../../../src/observe/live-state.ts';
import { observe } from '../../../src/observe/observe.ts';
import type { Step } from '../../../src/plan/plan.ts';
import { ModelController, nextLease } from '../../support/model/controller.ts';
import { converge, makeStateDir } from '../../support/model/converge.ts';
import { modelSpec, type ShortSpec } from '../../support/model/model-spec.ts';
import { ModelWorld } from '../../support/model/world.ts';

/** Three members on a, b and c, where a leads; d and e are spares. Only looked at, never changed. */
const running: ShortSpec = { members: 3, hosts: 'a b c d e' };
let stateDir: string;
let three: LiveState;
let one: LiveState;
let nothing: LiveState;

beforeAll(async () => {
  stateDir = await makeStateDir();
  three = await liveOf(running, 'a');
  one = await liveOf({ members: 1, hosts: 'a b c d e' }, 'a');
  nothing = await look(ModelWorld.create(['a', 'b', 'c', 'd', 'e']), running);
});
afterAll(() => rm(stateDir, { recursive: true, force: true }));

async function liveOf(short: ShortSpec, leader: string): Promise<LiveState> {
  const world = ModelWorld.create(['a', 'b', 'c', 'd', 'e']);
  await converge(world, modelSpec({ ...short, bootstrap: 'first' }), { stateDir });
  world.lead(leader);
  return look(world, short);
}

async function look(world: ModelWorld, short: ShortSpec): Promise<LiveState> {
  const live = await observe(modelSpec(short), new ModelController(world, nextLease(world), { stateDir }).sight);
  return live;
}

// What is changed about the live state, one thing at a time ------------------------------------------------------

type Change = (live: LiveState) => LiveState;

const inCluster =
  (change: (cluster: LiveCluster) => LiveCluster): Change =>
  (live) =>
    live.etcd.known ? { ...live, etcd: known(change(live.etcd.value)) } : live;
const onMember = (host: string, change: (member: LiveMember) => LiveMember): Change =>
  inCluster((cluster) => ({
    ...cluster,
    members: cluster.members.map((member) => (member.host === host ? change(member) : member)),
  }));
const onHost =
  (name: string, change: (host: LiveHost) => LiveHost): Change =>
  (live) => ({ ...live, hosts: live.hosts.map((host) => (host.name === name ? change(host) : host)) });
const sick = (host: string): Change => onMember(host, (member) => ({ ...member, health: unknown('no answer') }));
const learner = (host: string): Change => onMember(host, (member) => ({ ...member, isLearner: true }));
const silent = (name: string): Change => onHost(name, (host) => ({ ...host, facts: unknown('no answer') }));
const withData = (name: string, clusterId: string | undefined, memberId = 'abab'): Change =>
  onHost(name, (host) => {
    if (!host.facts.known) return host;
    const { member } = host.facts.value;
    const data = {
      state: 'present' as const,
      archives: [],
      memberId,
      ...(clusterId === undefined ? {} : { clusterId }),
    };
    return { ...host, facts: known({ ...host.facts.value, member: { ...member, data } }) };
  });
const latched = (name: string, clusterId: string): Change =>
  onHost(name, (host) => {
    if (!host.facts.known) return host;
    const member = { ...host.facts.value.member, latched: { clusterId, memberId: 'abab', atMs: 0 } };
    return { ...host, facts: known({ ...host.facts.value, member }) };
  });
const recorded =
  (fields: Partial<ClusterRecord>): Change =>
  (live) => ({
    ...live,
    record: known({
      tag: 'tag',
      record: {
        formatVersion: '1.0',
        cluster: 'orders',
        clusterId: null,
        bootstrapIds: [],
        versions: [],
        members: 3,
        hosts: [],
        operation: null,
        lastRevision: 0,
        ...(live.record.known ? live.record.value?.record : undefined),
        ...fields,
      },
    }),
  });
const noQuorum: Change = (live) => ({ ...live, etcd: unknown('nobody answers') });
const noRecord: Change = (live) => ({ ...live, record: unknown('the store is away') });
const noBackups: Change = (live) => ({ ...live, backups: unknown('the store is away') });
const noKeys: Change = (live) => ({ ...live, authorities: unknown('EIO') });
const unchanged: Change = (live) => live;

// The steps --------------------------------------------------------------------------------------------------------

function step(action: Step['action'], target: string, more: Partial<Step> = {}): Step {
  return { id: '1', action, target, reason: 'test', risk: 'none', requires: [], ensures: [], detail: {}, ...more };
}

function memberId(live: LiveState, host: string): string {
  const members = live.etcd.known ? live.etcd.value.members : [];
  return members.find((member) => member.host === host)?.id ?? '';
}

const remove = (host: string) => (live: LiveState) =>
  step('remove-member', host, { detail: { memberId: memberId(live, host) } });
const add = (host: string, peerUrl = `https://10.0.0.${host === 'd' ? 14 : 15}:2380`) =>
  step('add-learner', host, { detail: { peerUrl } });
const words = { bootstrapId: 'first', token: 'token', initialCluster: 'a=https://10.0.0.11:2380' };
const bootstrap = step('bootstrap-cluster', 'orders', { detail: words });
const declared: Partial<ShortSpec> = { bootstrap: 'first' };
const operation = { type: 'bootstrap' as const, ...words, hosts: ['a'], commit: 'c0ffee0', startedAtMs: 1 };
const backup = {
  name: '2026-11-20T12:00:00Z-000000',
  takenAtMs: 1,
  etcdVersion: '3.5.33',
  memberCount: 3,
};
const hasBackup: Change = (live) => ({ ...live, backups: known([backup]) });

interface Case {
  /** `allowed`, or the code that it is refused with. */
  readonly code: string;
  readonly what: string;
  readonly from?: () => LiveState;
  readonly change: Change;
  readonly step: Step | ((live: LiveState) => Step);
  readonly spec?: Partial<ShortSpec>;
  /** Left out: a verified backup of the running cluster was taken in this run. */
  readonly backup?: GuardInput['backup'];
}

const empty = (): LiveState => nothing;
const single = (): LiveState => one;

const cases: readonly Case[] = [
  // The right thing passes, so that what is refused below is refused for its one difference.
  { code: 'allowed', what: 'a backup', change: unchanged, step: step('backup', 'b'), backup: null },
  { code: 'allowed', what: 'a restart of a follower', change: unchanged, step: step('restart-member', 'b') },
  { code: 'allowed', what: 'handing over', change: unchanged, step: step('move-leader', 'a', { detail: { to: 'b' } }) },
  { code: 'allowed', what: 'a learner', change: unchanged, step: add('d'), spec: { members: 5 } },
  { code: 'allowed', what: 'a promotion', change: learner('c'), step: step('promote-member', 'c') },
  { code: 'allowed', what: 'a removal', change: unchanged, step: remove('b'), spec: { members: 1 } },
  {
    code: 'allowed',
    what: 'a removal done already',
    change: unchanged,
    step: step('remove-member', 'd', { detail: { memberId: '1' } }),
  },
  { code: 'allowed', what: 'archiving nothing', change: unchanged, step: step('archive-data', 'd') },
  { code: 'allowed', what: 'a start on data', change: noQuorum, step: step('start-member', 'b'), backup: null },
  { code: 'allowed', what: 'a new leaf', change: unchanged, step: step('issue-certificate', 'b'), backup: null },
  {
    code: 'allowed',
    what: 'a bootstrap',
    from: empty,
    change: unchanged,
    step: bootstrap,
    spec: declared,
    backup: null,
  },
  {
    code: 'allowed',
    what: 'finishing a bootstrap without its words',
    from: empty,
    change: recorded({ operation }),
    step: bootstrap,
    backup: null,
  },
  {
    code: 'allowed',
    what: 'a restart of the only member as an outage',
    from: single,
    change: unchanged,
    step: step('restart-member', 'a', { risk: 'outage' }),
    spec: { members: 1 },
  },

  // 1. No change without a verified backup of this cluster, taken in this run.
  ...(['restart-member', 'move-leader', 'add-learner', 'promote-member', 'remove-member', 'archive-data'] as const).map(
    (action): Case => ({
      code: 'backup-missing',
      what: `${action} without a backup`,
      change: unchanged,
      step: step(action, 'b', { detail: { to: 'c' } }),
      backup: null,
    }),
  ),
  {
    code: 'backup-missing',
    what: 'a backup of another cluster',
    change: unchanged,
    step: step('restart-member', 'b'),
    backup: { name: 'other', clusterId: 'f0f0' },
  },

  // Is it the cluster that we know, and does it answer?
  { code: 'no-quorum', what: 'a backup without a quorum', change: noQuorum, step: step('backup', 'b') },
  { code: 'no-quorum', what: 'a removal without a quorum', change: noQuorum, step: remove('b') },
  { code: 'store-unknown', what: 'a change without the record', change: noRecord, step: step('restart-member', 'b') },
  {
    code: 'cluster-id-mismatch',
    what: 'a change to a cluster that is not on record',
    change: recorded({ clusterId: 'f0f0' }),
    step: step('restart-member', 'b'),
  },
  {
    code: 'cluster-id-mismatch',
    what: 'a start on the data of another cluster',
    change: withData('b', 'f0f0'),
    step: step('start-member', 'b'),
  },

  // 2. and 4. Never fewer healthy voters than a quorum, never two down at once.
  {
    code: 'not-healthy',
    what: 'a restart while another member is sick',
    change: sick('c'),
    step: step('restart-member', 'b'),
  },
  {
    code: 'not-healthy',
    what: 'handing over to a sick member',
    change: sick('b'),
    step: step('move-leader', 'a', { detail: { to: 'b' } }),
  },
  { code: 'not-a-member', what: 'a restart of no member', change: unchanged, step: step('restart-member', 'd') },
  { code: 'not-a-member', what: 'a restart of a learner', change: learner('b'), step: step('restart-member', 'b') },
  {
    code: 'not-a-member',
    what: 'handing over to no member',
    change: unchanged,
    step: step('move-leader', 'a', { detail: { to: 'd' } }),
  },
  { code: 'not-a-member', what: 'a promotion of no member', change: unchanged, step: step('promote-member', 'd') },
  { code: 'leader-must-move', what: 'a restart of the leader', change: unchanged, step: step('restart-member', 'a') },
  {
    code: 'leader-must-move',
    what: 'a removal of the leader',
    change: unchanged,
    step: remove('a'),
    spec: { members: 1 },
  },
  {
    code: 'quorum-at-risk',
    what: 'a restart of the only member that is no outage',
    from: single,
    change: unchanged,
    step: step('restart-member', 'a'),
    spec: { members: 1 },
  },
  {
    code: 'quorum-at-risk',
    what: 'a restart of the only member where three are declared',
    from: single,
    change: unchanged,
    step: step('restart-member', 'a', { risk: 'outage' }),
  },
  { code: 'quorum-at-risk', what: 'a restart of one of two', change: without('c'), step: step('restart-member', 'b') },
  {
    code: 'last-member',
    what: 'a removal of the last member',
    from: single,
    change: unchanged,
    step: remove('a'),
    spec: { members: 1 },
  },
  {
    code: 'too-few-members',
    what: 'a removal of a healthy member below the declared count',
    change: unchanged,
    step: remove('b'),
  },

  // 3. One membership change at a time, on a healthy cluster; new members join as learners on empty hosts.
  {
    code: 'not-healthy',
    what: 'a learner while a member is sick',
    change: sick('c'),
    step: add('d'),
    spec: { members: 5 },
  },
  {
    code: 'not-healthy',
    what: 'a promotion while a member is sick',
    change: (live) => sick('b')(learner('c')(live)),
    step: step('promote-member', 'c'),
  },
  {
    code: 'not-healthy',
    what: 'a removal while another member is sick',
    change: sick('c'),
    step: remove('b'),
    spec: { members: 1 },
  },
  {
    code: 'membership-change-in-progress',
    what: 'a second learner',
    change: learner('c'),
    step: add('d'),
    spec: { members: 5 },
  },
  {
    code: 'membership-change-in-progress',
    what: 'a removal while a learner joins',
    change: learner('c'),
    step: remove('b'),
    spec: { members: 1 },
  },
  {
    code: 'too-many-members',
    what: 'a learner beyond the declared count',
    change: unchanged,
    step: add('d'),
    spec: { members: 1 },
  },
  {
    code: 'host-not-declared',
    what: 'a learner on a host that is not in the spec',
    change: unchanged,
    step: add('e'),
    spec: { hosts: 'a b c d' },
  },
  {
    code: 'host-not-declared',
    what: 'a learner on a cordoned host',
    change: unchanged,
    step: add('d'),
    spec: { hosts: 'a b c d! e' },
  },
  {
    code: 'host-not-declared',
    what: 'a leaf for a host that is not in the spec',
    change: unchanged,
    step: step('issue-certificate', 'e'),
    spec: { hosts: 'a b c d' },
  },
  {
    code: 'already-a-member',
    what: 'a learner where a voter runs',
    change: unchanged,
    step: add('b', 'https://10.0.0.12:2380'),
  },
  {
    code: 'agent-unreachable',
    what: 'a learner on a host that does not answer',
    change: silent('d'),
    step: add('d'),
    spec: { members: 5 },
  },
  {
    code: 'host-unknown',
    what: 'a start on a host that nobody knows',
    change: unchanged,
    step: step('start-member', 'x'),
  },
  {
    code: 'hosts-not-empty',
    what: 'a learner on foreign data',
    change: withData('d', 'f0f0'),
    step: add('d'),
    spec: { members: 5 },
  },
  {
    code: 'hosts-not-empty',
    what: 'a learner on unreadable data',
    change: withData('d', undefined),
    step: add('d'),
    spec: { members: 5 },
  },

  // 5. No bootstrap and no removal of data without the declared words.
  {
    code: 'hosts-not-empty',
    what: 'archiving foreign data',
    change: withData('d', 'f0f0'),
    step: step('archive-data', 'd'),
  },
  {
    code: 'still-a-member',
    what: 'archiving the data of a member',
    change: unchanged,
    step: step('archive-data', 'b'),
  },
  { code: 'no-data', what: 'a start without data', change: unchanged, step: step('start-member', 'd') },
  {
    code: 'keystore-unknown',
    what: 'a leaf without the keystore',
    change: noKeys,
    step: step('issue-certificate', 'b'),
  },
  {
    code: 'bootstrap-not-declared',
    what: 'a bootstrap without words',
    from: empty,
    change: unchanged,
    step: bootstrap,
  },
  {
    code: 'bootstrap-not-declared',
    what: 'a bootstrap under other words',
    from: empty,
    change: unchanged,
    step: bootstrap,
    spec: { bootstrap: 'second' },
  },
  {
    code: 'bootstrap-interrupted',
    what: 'a bootstrap while another one is half done',
    from: empty,
    change: (live) =>
      latched('a', 'f0f0')(recorded({ operation: { ...operation, bootstrapId: 'other', token: 'other' } })(live)),
    step: bootstrap,
    spec: declared,
  },
  {
    code: 'bootstrap-id-used',
    what: 'a second bootstrap with the same id',
    from: empty,
    change: recorded({ bootstrapIds: ['first'] }),
    step: bootstrap,
    spec: declared,
  },
  {
    code: 'store-unknown',
    what: 'a bootstrap without the record',
    from: empty,
    change: noRecord,
    step: bootstrap,
    spec: declared,
  },
  {
    code: 'store-unknown',
    what: 'a bootstrap without the list of backups',
    from: empty,
    change: noBackups,
    step: bootstrap,
    spec: declared,
  },
  {
    code: 'agent-unreachable',
    what: 'a bootstrap while a spare does not answer',
    from: empty,
    change: silent('e'),
    step: bootstrap,
    spec: declared,
  },
  {
    code: 'hosts-not-empty',
    what: 'a bootstrap beside a running cluster',
    change: recorded({ bootstrapIds: [] }),
    step: bootstrap,
    spec: declared,
  },
  {
    code: 'hosts-not-empty',
    what: 'a bootstrap over data',
    from: empty,
    change: withData('b', 'f0f0'),
    step: bootstrap,
    spec: declared,
  },
  {
    code: 'hosts-not-empty',
    what: 'a bootstrap over unreadable data',
    from: empty,
    change: withData('b', undefined),
    step: bootstrap,
    spec: { bootstrap: { id: 'first', discardData: 'f0f0' } },
  },
  {
    code: 'discard-not-confirmed',
    what: 'a bootstrap of a cluster on record',
    from: empty,
    change: recorded({ clusterId: 'f0f0' }),
    step: bootstrap,
    spec: declared,
  },
  {
    code: 'discard-not-confirmed',
    what: 'a bootstrap that discards another cluster than the one on record',
    from: empty,
    change: recorded({ clusterId: 'f0f0' }),
    step: bootstrap,
    spec: { bootstrap: { id: 'first', discardData: 'abab' } },
  },
  {
    code: 'discard-not-confirmed',
    what: 'a bootstrap that an agent remembers a cluster before',
    from: empty,
    change: latched('c', 'f0f0'),
    step: bootstrap,
    spec: declared,
  },
  {
    code: 'discard-not-confirmed',
    what: 'a bootstrap where there are backups',
    from: empty,
    change: hasBackup,
    step: bootstrap,
    spec: declared,
  },
  {
    code: 'allowed',
    what: 'a bootstrap that discards what everybody remembers',
    from: empty,
    change: (live) => hasBackup(latched('c', 'f0f0')(recorded({ clusterId: 'f0f0' })(live))),
    step: bootstrap,
    spec: { bootstrap: { id: 'first', discardData: 'f0f0' } },
  },
];

function without(host: string): Change {
  return inCluster((cluster) => ({ ...cluster, members: cluster.members.filter((member) => member.host !== host) }));
}

function verdict(input: GuardInput): string {
  try {
    guard(input);
    return 'allowed';
  } catch (error) {
    if (!(error instanceof QuorateError)) throw error;
    expect(error.kind).toBe('refused');
    return error.code;
  }
}

describe('the guards', () => {
  it.each(cases)('$code: $what', (each) => {
    const live = each.change((each.from ?? ((): LiveState => three))());
    const made = typeof each.step === 'function' ? each.step(live) : each.step;
    const clusterId = live.etcd.known ? live.etcd.value.clusterId : 'none';
    const taken = each.backup === undefined ? { name: 'taken-now', clusterId } : each.backup;
    expect(verdict({ step: made, spec: modelSpec({ ...running, ...each.spec }), live, backup: taken })).toBe(each.code);
  });

  it('have a test for every refusal', () => {
    const source = readFileSync(new URL('../../../src/apply/guards.ts', import.meta.url), 'utf8');
    const codes = new Set([...source.matchAll(/refuse\(\s*input,\s*'([a-z-]+)'/g)].map((match) => match[1]));
    expect(codes.size).toBeGreaterThan(20);
    expect([...codes].filter((code) => !cases.some((each) => each.code === code))).toEqual([]);
  });
});
