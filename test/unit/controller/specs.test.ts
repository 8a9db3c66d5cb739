import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { hasErrors } from '../../../src/base/diagnostics.ts';
import { openSpecMemory } from '../../../src/controller/specs.ts';
import { temporaryStateDir } from '../../support/controller-world.ts';
import { changed, goodSpec } from '../spec/good-spec.ts';
import { clusterOf, codesOf, revision, specOf } from './revisions.ts';

const path = 'clusters/orders.yaml';
const good = revision('a', { [path]: goodSpec });
const broken = changed('members: 3', 'members: three');

describe('the last good spec', () => {
  test('stays in force while the file is broken, beside what is wrong with it', async () => {
    const memory = await openSpecMemory(await temporaryStateDir());
    const before = clusterOf(await memory.resolve(good, true), 'orders');
    const after = clusterOf(await memory.resolve(revision('b', { [path]: broken }), true), 'orders');
    expect(after).toMatchObject({ spec: before.spec, commit: good.commit, digest: before.digest, isOrphaned: false });
    expect(hasErrors(after.diagnostics)).toBe(true);
    expect(after.diagnostics.every(({ file }) => file === path)).toBe(true);
  });

  test('gives way when the file is mended', async () => {
    const memory = await openSpecMemory(await temporaryStateDir());
    const before = clusterOf(await memory.resolve(good, true), 'orders');
    await memory.resolve(revision('b', { [path]: broken }), true);
    const mended = changed('heartbeat-interval: 100', 'heartbeat-interval: 200');
    const after = clusterOf(await memory.resolve(revision('c', { [path]: mended }), true), 'orders');
    expect(after).toMatchObject({ commit: 'c'.repeat(40), isOrphaned: false, diagnostics: [] });
    expect(after.digest).not.toBe(before.digest);
  });

  test('survives a restart', async () => {
    const folder = await temporaryStateDir();
    const before = clusterOf(await (await openSpecMemory(folder)).resolve(good, true), 'orders');
    const after = await (await openSpecMemory(folder)).resolve(revision('b', { [path]: broken }), true);
    expect(clusterOf(after, 'orders')).toMatchObject({ spec: before.spec, commit: good.commit, digest: before.digest });
  });

  test('is none for a file that never could be read', async () => {
    const memory = await openSpecMemory(await temporaryStateDir());
    const desired = await memory.resolve(revision('a', { [path]: broken }), true);
    expect(desired.clusters).toEqual([]);
    expect(hasErrors(desired.diagnostics)).toBe(true);
  });

  test('is not replaced by a commit that was only looked at', async () => {
    const folder = await temporaryStateDir();
    const memory = await openSpecMemory(folder);
    const looked = await memory.resolve(good, false);
    expect(clusterOf(looked, 'orders').spec?.members).toBe(3);
    expect(await readdir(folder)).toEqual([]);
    await memory.resolve(good, true);
    const [file = ''] = await readdir(folder);
    const text = await readFile(join(folder, file), 'utf8');
    await memory.resolve(revision('b', { [path]: changed('members: 3', 'members: 1') }), false);
    expect(await readFile(join(folder, file), 'utf8')).toBe(text);
    const after = clusterOf(await memory.resolve(revision('c', { [path]: broken }), true), 'orders');
    expect(after).toMatchObject({ commit: good.commit, spec: { members: 3 } });
  });
});

describe('a file that is gone', () => {
  test('leaves its cluster orphaned, and the others as they are', async () => {
    const memory = await openSpecMemory(await temporaryStateDir());
    const billing = { 'clusters/billing.yaml': specOf('billing', '10.0.1') };
    await memory.resolve(revision('a', { [path]: goodSpec, ...billing }), true);
    const desired = await memory.resolve(revision('b', billing), true);
    expect(clusterOf(desired, 'orders')).toMatchObject({ isOrphaned: true, commit: 'a'.repeat(40) });
    expect(clusterOf(desired, 'billing')).toMatchObject({ isOrphaned: false, commit: 'b'.repeat(40) });
    expect(codesOf(desired.diagnostics)).toEqual([]);
  });

  test('is welcome back', async () => {
    const memory = await openSpecMemory(await temporaryStateDir());
    const billing = { 'clusters/billing.yaml': specOf('billing', '10.0.1') };
    await memory.resolve(revision('a', { [path]: goodSpec, ...billing }), true);
    await memory.resolve(revision('b', billing), true);
    const desired = await memory.resolve(revision('c', { [path]: goodSpec, ...billing }), true);
    expect(clusterOf(desired, 'orders')).toMatchObject({ isOrphaned: false, commit: 'c'.repeat(40) });
  });

  test('may have moved: the cluster goes with its name', async () => {
    const memory = await openSpecMemory(await temporaryStateDir());
    const before = clusterOf(await memory.resolve(good, true), 'orders');
    const desired = await memory.resolve(revision('b', { 'clusters/moved.yaml': goodSpec }), true);
    expect(desired.clusters).toHaveLength(1);
    expect(clusterOf(desired, 'orders')).toMatchObject({
      path: 'clusters/moved.yaml',
      digest: before.digest,
      isOrphaned: false,
    });
  });

  test('leaves nothing orphaned while an entry of the commit could not be read', async () => {
    const memory = await openSpecMemory(await temporaryStateDir());
    await memory.resolve(good, true);
    const found = { code: 'file-too-large', summary: 'Left out.', detail: 'It is too large.', file: 'clusters/x.yaml' };
    const files = { 'clusters/billing.yaml': specOf('billing', '10.0.1') };
    const error = await memory.resolve(revision('b', files, [{ severity: 'error', ...found }]), true);
    expect(clusterOf(error, 'orders').isOrphaned).toBe(false);
    expect(codesOf(error.diagnostics)).toEqual(['file-too-large']);
    const warning = await memory.resolve(revision('c', files, [{ severity: 'warning', ...found }]), true);
    expect(clusterOf(warning, 'orders').isOrphaned).toBe(true);
  });

  test('and all others with it: the source is empty and every cluster keeps its spec', async () => {
    const folder = await temporaryStateDir();
    const memory = await openSpecMemory(folder);
    const before = await memory.resolve(
      revision('a', { [path]: goodSpec, 'clusters/billing.yaml': specOf('billing', '10.0.1') }),
      true,
    );
    const empty = await memory.resolve(revision('b', {}), true);
    expect(codesOf(empty.diagnostics)).toEqual(['source-empty']);
    expect(empty.diagnostics[0]).toMatchObject({ severity: 'error' });
    expect(empty.clusters).toEqual(before.clusters.map((cluster) => ({ ...cluster, isOrphaned: true })));
    // Nothing is forgotten over it either.
    const again = await (await openSpecMemory(folder)).resolve(revision('c', {}), true);
    expect(again.clusters).toEqual(empty.clusters);
  });

  test('says nothing of a source that was empty from the start', async () => {
    const memory = await openSpecMemory(await temporaryStateDir());
    expect(await memory.resolve(revision('a', {}), true)).toMatchObject({ clusters: [], diagnostics: [] });
  });
});

describe('a cluster with another name in the same file', () => {
  test('is refused: the former spec stays in force, the new one is not there', async () => {
    const folder = await temporaryStateDir();
    const memory = await openSpecMemory(folder);
    const before = clusterOf(await memory.resolve(good, true), 'orders');
    const renamed = revision('b', { [path]: specOf('billing') });
    for (const one of [memory, await openSpecMemory(folder)]) {
      const desired = await one.resolve(renamed, true);
      expect(desired.clusters.map(({ name }) => name)).toEqual(['orders']);
      const after = clusterOf(desired, 'orders');
      expect(after).toMatchObject({ spec: before.spec, commit: good.commit, digest: before.digest, isOrphaned: false });
      expect(codesOf(after.diagnostics)).toEqual(['cluster-renamed']);
    }
    const back = await memory.resolve(revision('c', { [path]: goodSpec }), true);
    expect(clusterOf(back, 'orders')).toMatchObject({ commit: 'c'.repeat(40), diagnostics: [] });
  });

  test('is another cluster when the former one has moved to a file of its own', async () => {
    const memory = await openSpecMemory(await temporaryStateDir());
    await memory.resolve(good, true);
    const files = { [path]: specOf('billing', '10.0.1'), 'clusters/moved.yaml': goodSpec };
    const desired = await memory.resolve(revision('b', files), true);
    expect(desired.clusters.map(({ name, path: at, isOrphaned }) => [name, at, isOrphaned])).toEqual([
      ['billing', path, false],
      ['orders', 'clusters/moved.yaml', false],
    ]);
  });
});

test('a commit that touches another file leaves the digest as it is', async () => {
  const memory = await openSpecMemory(await temporaryStateDir());
  const before = clusterOf(await memory.resolve(good, true), 'orders');
  const next = revision('b', { [path]: goodSpec, 'clusters/billing.yaml': specOf('billing', '10.0.1') });
  const after = clusterOf(await memory.resolve(next, true), 'orders');
  expect(after).toMatchObject({ digest: before.digest, commit: next.commit });
  const comment = await memory.resolve(revision('c', { [path]: `# For the order service.\n${goodSpec}` }), true);
  expect(clusterOf(comment, 'orders').digest).toBe(before.digest);
});
