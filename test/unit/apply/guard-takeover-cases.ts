import { actions } from '../../../src/plan/plan.ts';
import { all, bootstrap, type GuardCase, operation, step } from './guard-case.ts';
import { type Change, claimed, latched, recorded, withData } from './live-changes.ts';

const minuteMs = 60_000;
const own = 'c0c0';

/** A bootstrap of a, b and c that began so long ago. */
const begun =
  (agoMs: number): Change =>
  (live) =>
    recorded({
      bootstrapIds: ['first'],
      operation: { ...operation, hosts: ['a', 'b', 'c'], startedAtMs: live.observedAtMs - agoMs },
    })(live);
/** The member of a host has run, and its data is there. */
const started = (...names: readonly string[]): readonly Change[] =>
  names.flatMap((name) => [withData(name, own), latched(name, own, 'first')]);

const resume = { from: 'nothing', step: bootstrap, backup: null } as const;

/** What a run finds that took over from another one, or was taken over from. */
export const takeoverCases: readonly GuardCase[] = [
  // 6. A run that any agent knows to be superseded does nothing more, not even what goes straight to etcd.
  ...actions.map(
    (action): GuardCase => ({
      code: 'stale-epoch',
      what: `${action} after an agent has heard of a newer run`,
      change: claimed('d', 8),
      step: step(action, 'b', { detail: { to: 'c' } }),
      epoch: 7,
    }),
  ),
  {
    code: 'allowed',
    what: 'a restart by the very run that an agent has heard of',
    change: claimed('d', 7),
    step: step('restart-member', 'b'),
    epoch: 7,
  },

  // 5. A bootstrap that was begun is finished, but never over what may have served since.
  {
    ...resume,
    code: 'allowed',
    what: 'going on with a bootstrap of which one member runs, soon after it began',
    change: all(begun(9 * minuteMs), ...started('a')),
  },
  {
    ...resume,
    code: 'bootstrap-interrupted',
    what: 'going on with a bootstrap of which one member has run, ten minutes after it began',
    change: all(begun(10 * minuteMs), ...started('a')),
  },
  {
    ...resume,
    code: 'bootstrap-interrupted',
    what: 'going on with a bootstrap of which two members have run, a day after it began',
    change: all(begun(1440 * minuteMs), ...started('b', 'c')),
  },
  {
    ...resume,
    code: 'allowed',
    what: 'going on late with a bootstrap of which every member has run',
    change: all(begun(1440 * minuteMs), ...started('a', 'b', 'c')),
  },
  {
    ...resume,
    code: 'allowed',
    what: 'going on late with a bootstrap of which no member ever ran',
    change: begun(1440 * minuteMs),
  },
  {
    ...resume,
    code: 'hosts-not-empty',
    what: 'going on with a bootstrap over foreign data',
    change: all(begun(minuteMs), ...started('a'), withData('b', 'f0f0')),
  },
  {
    ...resume,
    code: 'hosts-not-empty',
    what: 'going on with a bootstrap over foreign data where no member has run',
    change: all(begun(minuteMs), withData('b', 'f0f0')),
  },
  {
    ...resume,
    code: 'hosts-not-empty',
    what: 'going on with a bootstrap on a host that remembers another cluster',
    change: all(begun(minuteMs), ...started('a'), latched('c', 'f0f0')),
  },
  {
    code: 'hosts-not-empty',
    what: 'going on with a bootstrap beside a running cluster',
    change: begun(minuteMs),
    step: bootstrap,
  },
  {
    ...resume,
    code: 'allowed',
    what: 'giving up in words a bootstrap that was left half done',
    change: all(
      recorded({ bootstrapIds: ['other'], operation: { ...operation, bootstrapId: 'other', token: 'other' } }),
      withData('a', own),
      latched('a', own, 'other'),
    ),
    step: { ...bootstrap, detail: { ...bootstrap.detail, discardData: own } },
    spec: { bootstrap: { id: 'first', discardData: own } },
  },
  {
    ...resume,
    code: 'bootstrap-interrupted',
    what: 'giving up another cluster than the one of a half done bootstrap',
    change: all(
      recorded({ bootstrapIds: ['other'], operation: { ...operation, bootstrapId: 'other', token: 'other' } }),
      withData('a', own),
      latched('a', own, 'other'),
    ),
    step: { ...bootstrap, detail: { ...bootstrap.detail, discardData: 'f0f0' } },
    spec: { bootstrap: { id: 'first', discardData: 'f0f0' } },
  },
];
