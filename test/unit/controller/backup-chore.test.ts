import { describe, expect, it } from 'vitest';
import { readBackupCheck } from '../../../src/backup/backup-check.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { backupChore } from '../../../src/controller/upkeep/backup-chore.ts';
import type { ClusterSpec } from '../../../src/spec/cluster-spec.ts';
import { type ControllerWorld, form, openControllerWorld, threeHosts } from '../../support/controller-world.ts';
import { modelSpec } from '../../support/model/model-spec.ts';
import { errorOf } from '../backup/streams.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

async function standing(): Promise<ControllerWorld & { readonly spec: ClusterSpec }> {
  const made = await openControllerWorld();
  const spec = await form(made.model, threeHosts, made.stateDir);
  return { ...made, spec: { ...spec, backup: { ...spec.backup, every: { type: 'interval', everyMs: hourMs } } } };
}

async function run({ world, stateDir }: ControllerWorld, spec: ClusterSpec): Promise<number> {
  const signal = new AbortController().signal;
  const sight = await world.sight(spec);
  return backupChore.run({ spec, commit: 'c'.repeat(40), sight, stateDir, log: silentLogger, signal });
}

async function backupsOf({ world }: ControllerWorld, spec: ClusterSpec) {
  return (await (await world.sight(spec)).catalog.list()).backups;
}

describe('the chore of periodic backups', () => {
  it('takes one from a follower, notes when nothing was written, and says when to ask again', async () => {
    const made = await standing();
    const { model, spec } = made;
    const before = (await backupsOf(made, spec)).length;
    expect(await run(made, spec)).toBe(5 * minuteMs);
    const [newest, ...others] = await backupsOf(made, spec);
    expect(others).toHaveLength(before);
    expect(newest?.proof).toMatchObject({ reason: 'periodic', commit: 'c'.repeat(40), run: null });
    expect(newest?.proof?.source).not.toBe(model.serving()?.leader);
    expect(newest?.proof?.keyCount).toBeTypeOf('number');
    model.advanceTo(model.nowMs + 2 * hourMs);
    const askedAtMs = model.nowMs;
    await run(made, spec);
    expect(await backupsOf(made, spec)).toHaveLength(before + 1);
    const check = await readBackupCheck(model.store);
    expect(check?.backup).toBe(newest?.name);
    expect(check?.checkedAtMs).toBeGreaterThan(askedAtMs);
    model.put(3);
    model.advanceTo(model.nowMs + 2 * hourMs);
    await run(made, spec);
    expect(await backupsOf(made, spec)).toHaveLength(before + 2);
    expect(model.state.violations).toEqual([]);
  });

  it('wants to be asked again when the next one is due, if that is soon', async () => {
    const made = await standing();
    const { model, spec } = made;
    await run(made, spec);
    model.put(1);
    const taken = (await backupsOf(made, spec)).length;
    const pausesMs: number[] = [];
    // An hour and a tenth of it, in steps of five minutes at most.
    while (pausesMs.length < 15 && (await backupsOf(made, spec)).length === taken) {
      const pauseMs = await run(made, spec);
      pausesMs.push(pauseMs);
      model.advanceTo(model.nowMs + pauseMs);
    }
    expect(await backupsOf(made, spec)).toHaveLength(taken + 1);
    expect(Math.min(...pausesMs)).toBeGreaterThan(0);
    expect(Math.max(...pausesMs)).toBe(5 * minuteMs);
    expect(pausesMs.length).toBeGreaterThanOrEqual(54 / 5);
  });

  it('does nothing without backup.every, nor before the cluster was created', async () => {
    const made = await openControllerWorld();
    const spec = modelSpec(threeHosts);
    expect(await run(made, spec)).toBe(Number.POSITIVE_INFINITY);
    expect(await run(made, { ...spec, backup: { ...spec.backup, every: { type: 'interval', everyMs: hourMs } } })).toBe(
      minuteMs,
    );
    expect([...made.model.store.objects.keys()]).toEqual([]);
  });

  it('rejects without a quorum, and changes nothing', async () => {
    const made = await standing();
    const { model, spec } = made;
    model.stop('a');
    model.stop('b');
    model.advanceTo(model.nowMs + 2 * hourMs);
    const before = new Map(model.store.objects);
    const hosts = structuredClone(model.state.hosts);
    const error = await errorOf(run(made, spec));
    expect(error).toMatchObject({ code: 'backup-failed', kind: 'transient' });
    expect(error.summary).toContain('no quorum');
    expect(model.store.objects).toEqual(before);
    expect(model.state.hosts).toEqual(hosts);
  });
});
