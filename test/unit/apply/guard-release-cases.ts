import { all, bootstrap, declared, type GuardCase, operation } from './guard-case.ts';
import {
  forming,
  fresh,
  latchedToRunning,
  listed,
  lost,
  marked,
  markedOver,
  release,
  replacing,
  restore,
  restored,
} from './guard-restore-case.ts';
import {
  forgotten,
  latched,
  noBackups,
  noQuorum,
  noRecord,
  recorded,
  sick,
  silent,
  unchanged,
  withData,
  without,
} from './live-changes.ts';

/** Once it is on record, what was begun is finished: the words, and even the store's list, are no longer asked. */
const going: readonly GuardCase[] = [
  { ...fresh, code: 'allowed', what: 'going on with a restore that has put nothing in place', change: marked() },
  {
    ...fresh,
    code: 'allowed',
    what: 'going on with a half-done restore whose words are gone, while backups cannot be listed',
    change: all(marked(), restored('a'), withData('b', lost), noBackups),
    spec: {},
  },
  {
    ...fresh,
    code: 'allowed',
    what: 'going on with a restore while a quorum of the old data dirs is still in place',
    change: all(marked(), withData('a', lost), withData('b', lost), withData('c', lost)),
  },
  {
    ...fresh,
    code: 'restore-interrupted',
    what: 'going on where a host has lost the data that was restored to it',
    change: all(marked(), restored('a'), latched('b', forming, 'again')),
  },
  {
    ...fresh,
    code: 'hosts-not-empty',
    what: 'going on over foreign data',
    change: all(marked(), restored('a'), withData('b', 'abab')),
  },
  {
    ...fresh,
    code: 'hosts-not-empty',
    what: 'going on over data that differs from what the host was given',
    change: all(marked(), withData('b', 'abab'), latched('b', forming, 'again')),
  },
  {
    ...fresh,
    code: 'agent-unreachable',
    what: 'going on while one of the hosts does not answer',
    change: all(marked(), restored('a'), silent('b')),
  },
  {
    code: 'allowed',
    what: 'going on while the restored members serve in quarantine',
    change: all(marked(), latchedToRunning('again', 'a', 'b', 'c')),
    step: restore({ replaces: lost }),
    backup: null,
  },
  {
    code: 'allowed',
    what: 'going on over a cluster that was never stopped, after a backup of it',
    change: markedOver,
    step: replacing(),
  },
  {
    code: 'backup-missing',
    what: 'going on over a cluster that was never stopped, without a backup of it in this run',
    change: markedOver,
    step: replacing(),
    backup: null,
  },
  {
    code: 'cluster-id-mismatch',
    what: 'going on while a cluster answers that is neither the old nor the new one',
    change: all(marked(), forgotten('a'), forgotten('b'), forgotten('c')),
    step: restore({ replaces: lost }),
  },
  ...(
    [
      ['token', { token: 'other' }],
      ['backup', { backup: '2020-01-01T00:00:00Z-000000' }],
      ['members', { initialCluster: 'a=https://10.0.0.99:2380' }],
      ['raised revisions', { bumpRevision: 0 }],
      ['cluster to replace', { replaces: 'abab' }],
    ] as const
  ).map(
    ([what, more]): GuardCase => ({
      ...fresh,
      code: 'restore-not-declared',
      what: `a step with another ${what} than the restore on record, when the words are gone`,
      change: all(marked(), listed),
      step: replacing(more),
      spec: {},
    }),
  ),
  {
    ...fresh,
    code: 'allowed',
    what: 'beginning anew under a fresh id after a restored disk was lost',
    change: all(marked(), listed, restored('a', 'c'), latched('b', forming, 'again')),
    step: replacing({ bootstrapId: 'once-more', token: 'orders-once-more' }),
    spec: { bootstrap: { id: 'once-more', backup: 'latest' } },
  },
  {
    ...fresh,
    code: 'bootstrap-id-used',
    what: 'beginning anew under the id of the half-done restore',
    change: all(marked(), listed, restored('a')),
    step: replacing({ token: 'other' }),
  },
  {
    ...fresh,
    code: 'restore-interrupted',
    what: 'a bootstrap from empty while a restore is half done',
    change: all(marked(), listed, restored('a')),
    step: bootstrap,
    spec: declared,
  },
];

const serving = all(marked(), latchedToRunning('again', 'a', 'b', 'c'));
const releasing = { backup: null, step: release() } as const;

const releases: readonly GuardCase[] = [
  { ...releasing, code: 'allowed', what: 'the release of the restored cluster', change: serving },
  { ...releasing, code: 'store-unknown', what: 'a release without the record', change: all(serving, noRecord) },
  { ...releasing, code: 'restore-not-declared', what: 'a release when no restore is on record', change: unchanged },
  {
    ...releasing,
    code: 'restore-not-declared',
    what: 'a release while a bootstrap is on record',
    change: all(serving, recorded({ operation: { ...operation, bootstrapId: 'again' } })),
  },
  {
    ...releasing,
    code: 'restore-not-declared',
    what: 'the release of another restore than the one on record',
    change: all(serving, marked({ bootstrapId: 'another' })),
  },
  { ...releasing, code: 'no-quorum', what: 'a release without a quorum', change: all(serving, noQuorum) },
  { ...releasing, code: 'not-healthy', what: 'a release with a sick member', change: all(serving, sick('c')) },
  {
    ...releasing,
    code: 'restore-interrupted',
    what: 'a release with a member missing',
    change: all(serving, without('c')),
  },
  {
    ...releasing,
    code: 'restore-interrupted',
    what: 'the release of fewer members than run',
    change: serving,
    step: release({ hosts: { a: {}, b: {} } }),
  },
  {
    ...releasing,
    code: 'restore-interrupted',
    what: 'the release of other hosts than those on record',
    change: all(serving, marked({ hosts: ['a', 'b'] })),
  },
  {
    ...releasing,
    code: 'not-healthy',
    what: 'the release of a host that runs no member',
    change: all(serving, latchedToRunning('again', 'd')),
    step: release({ hosts: { a: {}, b: {}, d: {} } }),
  },
  {
    ...releasing,
    code: 'agent-unreachable',
    what: 'a release while one of the hosts does not answer',
    change: all(serving, silent('b')),
  },
  {
    ...releasing,
    code: 'cluster-id-mismatch',
    what: 'the release of the cluster that was to be replaced',
    change: marked(),
  },
  {
    ...releasing,
    code: 'cluster-id-mismatch',
    what: 'the release of a member that another restore has made',
    change: all(serving, latchedToRunning('another', 'c')),
  },
  {
    ...releasing,
    code: 'cluster-id-mismatch',
    what: 'a release while another cluster answers than the hosts were given',
    change: all(serving, latched('c', forming, 'again')),
  },
];

/** A restore that is on record, and the release of what came of it. */
export const releaseCases: readonly GuardCase[] = [...going, ...releases];
