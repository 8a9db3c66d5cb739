import { add, bootstrap, declared, type GuardCase, operation, remove, step } from './guard-case.ts';
import {
  forgotten,
  learner,
  noQuorum,
  noRecord,
  recorded,
  sick,
  unchanged,
  withData,
  without,
} from './live-changes.ts';

/** Health, quorum, backups: nothing that runs may be put at risk. */
export const memberCases: readonly GuardCase[] = [
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
    from: 'nothing',
    change: unchanged,
    step: bootstrap,
    spec: declared,
    backup: null,
  },
  {
    code: 'allowed',
    what: 'finishing a bootstrap without its words',
    from: 'nothing',
    change: recorded({ operation }),
    step: bootstrap,
    backup: null,
  },
  {
    code: 'allowed',
    what: 'a restart of the only member as an outage',
    from: 'single',
    change: unchanged,
    step: step('restart-member', 'a', { risk: 'outage' }),
    spec: { members: 1 },
  },

  // 1. No change without a verified backup of this cluster, taken in this run.
  ...(['restart-member', 'move-leader', 'add-learner', 'promote-member', 'remove-member', 'archive-data'] as const).map(
    (action): GuardCase => ({
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
  {
    code: 'not-healthy',
    what: 'handing over while a third member is sick',
    change: sick('c'),
    step: step('move-leader', 'a', { detail: { to: 'b' } }),
  },
  {
    code: 'leader-must-move',
    what: 'a removal of a leader that its agent has forgotten',
    change: forgotten('a'),
    step: remove('a'),
    spec: { members: 1 },
  },
  {
    code: 'too-few-members',
    what: 'a removal of a healthy member that its agent has forgotten',
    change: forgotten('b'),
    step: remove('b'),
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
    from: 'single',
    change: unchanged,
    step: step('restart-member', 'a'),
    spec: { members: 1 },
  },
  {
    code: 'quorum-at-risk',
    what: 'a restart of the only member where three are declared',
    from: 'single',
    change: unchanged,
    step: step('restart-member', 'a', { risk: 'outage' }),
  },
  { code: 'quorum-at-risk', what: 'a restart of one of two', change: without('c'), step: step('restart-member', 'b') },
  {
    code: 'last-member',
    what: 'a removal of the last member',
    from: 'single',
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
];
