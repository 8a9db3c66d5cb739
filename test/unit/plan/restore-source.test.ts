import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Backup } from '../../../src/backup/store.ts';
import { known, unknown } from '../../../src/base/observation.ts';
import type { LiveState } from '../../../src/observe/live-state.ts';
import { observe } from '../../../src/observe/observe.ts';
import { Draft } from '../../../src/plan/draft.ts';
import { bumpFor, chooseBackup, lastRevision } from '../../../src/plan/restore-source.ts';
import { type View, viewOf } from '../../../src/plan/view.ts';
import { ModelController, nextLease } from '../../support/model/controller.ts';
import { converge, makeStateDir } from '../../support/model/converge.ts';
import { modelSpec, type ShortSpec } from '../../support/model/model-spec.ts';
import { ModelWorld } from '../../support/model/world.ts';
import { recorded } from '../apply/live-changes.ts';
import { containing } from '../etcd/matchers.ts';

const three: ShortSpec = { members: 3, hosts: 'a b c' };
let stateDir: string;
let running: LiveState;

beforeAll(async () => {
  stateDir = await makeStateDir();
  const world = ModelWorld.create(['a', 'b', 'c']);
  await converge(world, modelSpec({ ...three, bootstrap: 'first' }), { stateDir });
  running = await observe(modelSpec(three), new ModelController(world, nextLease(world), { stateDir }).sight);
});
afterAll(() => rm(stateDir, { recursive: true, force: true }));

/** Backups by the hour of their day, the newest first as the store lists them. */
function backupOf(hour: number, more: { readonly revision?: number; readonly version?: string } = {}): Backup {
  const { revision, version: etcdVersion = '3.5.33' } = more;
  const name = `2026-11-20T${String(hour).padStart(2, '0')}:00:00Z-000000`;
  const backup = { name, takenAtMs: Date.parse(name.slice(0, 20)), etcdVersion, memberCount: 3 };
  if (revision === undefined) return backup;
  const proof = {
    formatVersion: '1.0' as const,
    sha256: 'ab'.repeat(32),
    sizeBytes: 10,
    dbSizeBytes: 20,
    revision,
    hash: 7,
    clusterId: 'c0c0',
    source: 'a',
    members: [],
    reason: 'on-demand',
    commit: null,
    run: null,
    verifiedAtMs: backup.takenAtMs,
  };
  return { ...backup, proof };
}

interface Seen {
  readonly backups?: readonly Backup[];
  /** Revisions that the members answer with; left out: nobody answers. */
  readonly live?: readonly number[];
  readonly recorded?: number;
  readonly version?: string;
}

function viewWith({ backups = [], live, recorded: lastSeen = 0, version = '3.5.33' }: Seen): View {
  const etcd =
    live === undefined || !running.etcd.known
      ? unknown('nobody answers')
      : known({
          ...running.etcd.value,
          members: running.etcd.value.members.map((member, index) => {
            const revision = live[index];
            if (revision === undefined || !member.status.known) return { ...member, status: unknown('no answer') };
            return { ...member, status: known({ ...member.status.value, revision }) };
          }),
        });
  const state = recorded({ lastRevision: lastSeen })({ ...running, backups: known(backups), etcd });
  return viewOf(modelSpec({ ...three, version, bootstrap: { id: 'again', backup: 'latest' } }), state, 'c0ffee0');
}

describe('the last revision', () => {
  it.each<[string, Seen, number]>([
    ['nobody remembers one', {}, 0],
    ['the record does', { recorded: 500, backups: [backupOf(1, { revision: 400 })] }, 500],
    ['a backup does', { recorded: 10, backups: [backupOf(2), backupOf(1, { revision: 400 })] }, 400],
    [
      'any backup does, not the newest alone',
      { backups: [backupOf(2, { revision: 3 }), backupOf(1, { revision: 400 })] },
      400,
    ],
    ['one of the members is ahead', { recorded: 10, live: [600, 700, 650] }, 700],
    ['members do not answer', { recorded: 10, live: [600] }, 600],
  ])('when %s', (_what, seen, revision) => {
    expect(lastRevision(viewWith(seen))).toBe(revision);
  });
});

describe('how far revisions are raised', () => {
  const taken = backupOf(1, { revision: 1_000_000 });

  it.each<[string, Seen, Backup, number]>([
    ['nothing was written since', { recorded: 1_000_000 }, taken, 1_000_000],
    ['little was', { recorded: 1_000_005 }, taken, 1_000_000],
    ['a fifth more than was written is a million', { recorded: 1_833_333 }, taken, 1_000_000],
    ['it is just above', { recorded: 1_833_334 }, taken, 1_000_001],
    ['much was written', { recorded: 11_000_000 }, taken, 12_000_000],
    ['a later backup tells how much', { backups: [backupOf(2, { revision: 6_000_000 }), taken] }, taken, 6_000_000],
    ['the live cluster tells how much', { recorded: 5, live: [1, 6_000_000, 2] }, taken, 6_000_000],
    ['the record is behind the backup', { recorded: 5 }, taken, 1_000_000],
    ['the backup does not say where it was', { recorded: 10_000_000 }, backupOf(1), 12_000_000],
    ['a single write is counted up', { recorded: 2_000_001 }, taken, 1_200_002],
  ])('when %s', (_what, seen, backup, bump) => {
    expect(bumpFor(viewWith(seen), backup)).toBe(bump);
  });

  it.each([
    ['3.4.23', 0],
    ['3.4.26', 0],
    ['3.4.27', 1_000_000],
    ['3.5.9', 0],
    ['3.5.10', 1_000_000],
    ['3.6.14', 1_000_000],
    ['3.7.1', 1_000_000],
  ])('by etcd %s', (version, bump) => {
    expect(bumpFor(viewWith({ version, recorded: 5 }), taken)).toBe(bump);
  });
});

describe('the choice of a backup', () => {
  const [old, middle, newest] = [backupOf(1, { revision: 1 }), backupOf(2, { revision: 2 }), backupOf(3)];
  const backups = [newest, middle, old];

  function choose(name: string, seen: Seen = { backups }, isAlive = false) {
    const draft = new Draft();
    const chosen = chooseBackup(viewWith(seen), name, isAlive, draft);
    expect(chosen === undefined).toBe(draft.refusals.length === 1);
    return chosen?.name ?? draft.refusals[0];
  }

  it('latest is the newest that was verified, before newer ones that were not', () => {
    expect(choose('latest')).toBe(middle.name);
  });

  it('latest is the newest there is, where none was verified', () => {
    expect(choose('latest', { backups: [newest, backupOf(1)] })).toBe(newest.name);
  });

  it.each([old, middle, newest])('one that is named is taken: $name', ({ name }) => {
    expect(choose(name)).toBe(name);
    expect(choose(name, { backups }, true)).toBe(name);
  });

  it('latest is refused over a live cluster, with names to choose from', () => {
    expect(choose('latest', { backups, live: [9, 9, 9] }, true)).toMatchObject({
      code: 'backup-not-named',
      remedy: containing(`bootstrap: { id: again, from: { backup: ${newest.name} }, discardData: "`),
    });
  });

  it('a name that is not listed is refused, with names to choose from', () => {
    expect(choose('2020-01-01T00:00:00Z-000000')).toMatchObject({
      code: 'backup-not-found',
      detail: containing(`lists 3, the newest ${newest.name}, ${middle.name}, ${old.name}`),
      remedy: containing(`from: { backup: ${newest.name} }`),
    });
    expect(choose('latest', { backups: [] })).toMatchObject({
      code: 'backup-not-found',
      detail: containing('lists no backup of this cluster'),
      remedy: 'Correct spec.backup.store, or bring the backups there.',
    });
  });

  it.each([
    ['3.5.33', '3.6.0', 'backup-newer'],
    ['3.5.33', '3.7.1', 'backup-newer'],
    ['3.9.0', '3.10.0', 'backup-newer'],
    ['3.5.10', '3.5.33', 'taken'],
    ['3.6.14', '3.5.33', 'taken'],
    ['3.6.14', '3.4.45', 'taken'],
  ])('etcd %s and a backup of %s: %s', (version, theirs, what) => {
    const only = backupOf(1, { revision: 1, version: theirs });
    // The rules of a spec allow fewer releases than the choice has to order.
    const view = viewWith({ backups: [only] });
    const draft = new Draft();
    const chosen = chooseBackup({ ...view, spec: { ...view.spec, version } }, only.name, false, draft);
    expect(chosen === undefined ? draft.refusals[0]?.code : 'taken').toBe(what);
    expect(draft.refusals.every(({ remedy }) => remedy.includes(`version: ${theirs}`))).toBe(true);
  });
});
