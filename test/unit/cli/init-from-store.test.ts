import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest';
import { type Clock, systemClock } from '../../../src/base/clock.ts';
import { type InitOptions, init, parseHost } from '../../../src/cli/init.ts';
import { latestPatches } from '../../../src/etcd/releases.ts';
import { loadSpecs } from '../../../src/spec/load.ts';
import { type ManagerStore, writeManagerStore } from '../../support/manager-store.ts';
import { databaseOf, errorOf, snapshotOf } from '../backup/streams.ts';

const snapshot = snapshotOf(databaseOf(4096));
const names = ['2026-11-18T15:29:48Z-000001', '2026-11-19T15:29:48Z-000002', '2026-11-20T15:29:48Z-000003'] as const;
const clock: Clock = { ...systemClock, now: () => Date.UTC(2026, 10, 20, 17, 29, 48) };
let parent: string;
let url: string;

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'quorate-from-store-'));
  url = pathToFileURL(join(parent, 'backups')).href;
  await mkdir(join(parent, 'home'));
});
afterEach(() => rm(parent, { recursive: true, force: true }));

/** A store of a cluster of three on one release, in all the ways of writing. */
const fill = (version: string, more: Partial<ManagerStore> = {}): Promise<string> => {
  const styles = ['plain', 'snake', 'spaced'] as const;
  return writeManagerStore({
    folder: join(parent, 'backups'),
    cluster: 'main',
    backups: names.map((name, index) => ({ name, etcdVersion: version, style: styles[index] ?? 'plain', snapshot })),
    spec: { memberCount: 3, etcdVersion: version, style: 'snake' },
    ...more,
  });
};

async function run(options: Partial<InitOptions> = {}): Promise<{ text: string; spec: string }> {
  let text = '';
  const environment = { PATH: process.env['PATH'], HOME: join(parent, 'home') };
  const dir = options.dir ?? join(parent, 'fleet');
  const given = { dir, environment, clock, cluster: 'main', fromStore: url, ...options };
  expect(await init(given, { write: (part) => (text += part) })).toBe(0);
  return { text, spec: await readFile(join(dir, 'repo', 'clusters', 'main.yaml'), 'utf8') };
}

const load = (content: string) => loadSpecs([{ path: 'clusters/main.yaml', content }]);
const hosts = (count: number) =>
  Array.from({ length: count }, (_, index) => parseHost(`h${index}=10.0.0.${index + 1}:7001`));

describe('quorate init --from-store', () => {
  it('writes the spec of what etcd-manager ran, with its store and without a word to create anything', async () => {
    await fill('3.5.33');
    const { spec, text } = await run({ hosts: hosts(4) });
    const { specs, diagnostics } = load(spec);
    expect(diagnostics).toEqual([]);
    expect(specs[0]?.spec).toMatchObject({ name: 'main', version: '3.5.33', members: 3, backup: { store: url } });
    expect(specs[0]?.spec.bootstrap).toBeUndefined();
    expect(specs[0]?.spec.hosts).toHaveLength(4);
    expect(text).toContain(
      `  cluster spec     3 members, etcd 3.5.33, created\n  backups          3, of etcd 3.5.33\n`,
    );
    expect(text).toContain(`  newest backup    ${names[2]}, 2h old, etcd 3.5.33, 3 members\n`);
    expect(text).not.toContain('warning');
  });

  it('shows the exact words to restore the newest backup, which the spec takes', async () => {
    await fill('3.5.33');
    const { spec, text } = await run();
    const words = `bootstrap: { id: from-etcd-manager, from: { backup: ${names[2]} } }`;
    expect(text).toContain(`\n  ${words}\n`);
    expect(spec).toContain(`\n  # ${words}\n`);
    const { specs, diagnostics } = load(spec.replace(`# ${words}`, words));
    expect(diagnostics).toEqual([]);
    expect(specs[0]?.spec.bootstrap).toEqual({ id: 'from-etcd-manager', from: { backup: names[2] } });
  });

  it('prints what the runbook shows', async () => {
    await fill('3.5.33');
    const { text } = await run();
    const page = await readFile(new URL('../../../docs/runbooks/moving-from-etcd-manager.md', import.meta.url), 'utf8');
    const labels = (block: string): readonly string[] =>
      [...block.matchAll(/^ {2}(\w+(?: \w+)?) {2,}/gm)].map(([, label]) => label ?? '');
    const shown = /```text\nFound:\n([^`]*)```/.exec(page)?.[1] ?? '';
    expect(labels(shown)).toEqual(['store', 'cluster spec', 'backups', 'newest backup', 'oldest backup']);
    expect(labels(text.split('\n\n', 1)[0] ?? '')).toEqual(labels(shown));
    expect(page).toContain(`  bootstrap: { id: from-etcd-manager, from: { backup: ${names[2]} } }`);
  });

  it('changes nothing in the store', async () => {
    const root = await fill('3.5.33');
    const before = await readdir(root, { recursive: true });
    await run();
    expect(await readdir(root, { recursive: true })).toEqual(before);
  });

  test.each<readonly [string, string, string, RegExp]>([
    ['can lose data', '3.4.13', latestPatches['3.4'] ?? '', /etcd 3\.4\.13 can lose data: .* The spec says 3\.4\.45\./],
    ['is too old', '3.3.17', latestPatches['3.4'] ?? '', /etcd 3\.3\.17 is not supported: Quorate runs 3\.4 and later/],
    ['has a known defect', '3.5.16', '3.5.16', /etcd 3\.5\.16 has a known defect/],
  ])('warns of a release that %s', async (_what, version, written, warning) => {
    await fill(version);
    const { spec, text } = await run();
    expect(load(spec).specs[0]?.spec.version).toBe(written);
    expect(text).toMatch(warning);
  });

  it('takes the release of the newest backup where that is newer, and the one that a person names', async () => {
    await fill('3.5.33', { spec: { memberCount: 3, etcdVersion: '3.4.45' } });
    expect(load((await run()).spec).specs[0]?.spec.version).toBe('3.5.33');
    const chosen = await run({ dir: join(parent, 'other'), version: '3.6.14' });
    expect(load(chosen.spec).specs[0]?.spec.version).toBe('3.6.14');
    expect(chosen.text).toContain('The spec says 3 members of etcd 3.6.14.');
    const old = await run({ dir: join(parent, 'third'), version: '3.4.45' });
    expect(old.text).toContain('warning: etcd 3.4.45 cannot read the newest backup, which is of etcd 3.5.33.');
  });

  it('warns of a command that etcd-manager has not carried out', async () => {
    await fill('3.5.33', { pending: names[0] });
    expect((await run()).text).toContain(
      `warning: etcd-manager has a command that it has not carried out: restore ${names[0]} (control/2026-11-20T16:13:19Z-000000/_command.json).`,
    );
  });

  it('goes by the newest backup where there are no control files', async () => {
    await writeManagerStore({
      folder: join(parent, 'backups'),
      cluster: 'main',
      backups: [{ name: names[0], etcdVersion: '3.5.33', memberCount: 1, style: 'snake', snapshot }],
    });
    const { spec, text } = await run();
    expect(load(spec).specs[0]?.spec).toMatchObject({ version: '3.5.33', members: 1 });
    expect(text).toContain('cluster spec     none: the spec is written from the newest backup');
    expect(text).toContain('The spec says 1 member of etcd 3.5.33.');
  });

  it('warns of a created-marker that is gone, a damaged backup, an even number, and a record of its own', async () => {
    const root = await fill('3.5.33', { spec: { memberCount: 4, etcdVersion: '3.5.33' } });
    await rm(join(root, 'control', 'etcd-cluster-created'));
    await writeFile(join(root, names[0], '_etcd_backup.meta'), 'torn');
    await writeFile(join(root, 'control', 'quorate.json'), '{}');
    const { text } = await run();
    expect(text).toContain('warning: control/etcd-cluster-created is missing');
    expect(text).toContain('warning: A backup cannot be read. it is not JSON');
    expect(text).toContain('warning: The cluster has 4 members; the spec says 3. Quorate runs 1, 3, 5 or 7.');
    expect(text).toContain('warning: control/quorate.json is there: Quorate has run this cluster before.');
    expect(text).toContain('backups          2, of etcd 3.5.33');
  });
});

describe('what it refuses, leaving no folder', () => {
  const refusal = async (options: Partial<InitOptions> = {}) => {
    const { code, kind, summary, remedy } = await errorOf(run(options));
    expect((await readdir(parent)).toSorted().join()).toMatch(/^(backups,)?home$/);
    return { code, kind, summary, remedy };
  };

  it('a place where nothing is', async () => {
    expect(await refusal()).toMatchObject({
      code: 'store-empty',
      kind: 'invalid',
      remedy: `Nothing lies below ${url}; check the URL.`,
    });
  });

  it('a wrong name, with the names that are there, the nearest first', async () => {
    await fill('3.5.33');
    for (const other of ['events', 'mains-backup']) await mkdir(join(parent, 'backups', other));
    expect(await refusal({ cluster: 'mian' })).toMatchObject({
      code: 'store-empty',
      remedy: `Check --cluster: below ${url} lie main, events, mains-backup.`,
    });
  });

  it('a URL that goes one step too far', async () => {
    await fill('3.5.33');
    const { remedy } = await refusal({ fromStore: `${url}/main` });
    expect(remedy).toBe(
      `${url}/main is the store of one cluster itself. Give the place above it: --from-store '${url}' --cluster main`,
    );
  });

  it('a store whose backups cannot be read', async () => {
    const root = await fill('3.5.33');
    for (const name of names) await writeFile(join(root, name, '_etcd_backup.meta'), '{');
    const { code, summary } = await refusal();
    expect(code).toBe('store-empty');
    expect(summary).toContain('no backup can be read, 3 are damaged; the first: it is not JSON');
  });

  it('a cluster spec that cannot be read', async () => {
    const root = await fill('3.5.33');
    await writeFile(join(root, 'control', 'etcd-cluster-spec'), '{"memberCount":');
    expect(await refusal()).toMatchObject({ code: 'manager-control-invalid', kind: 'stalled' });
  });

  it('a store of etcd 2, and one of a release that nobody knows yet', async () => {
    await fill('2.2.1');
    expect((await refusal()).code).toBe('store-version-unusable');
    await fill('3.99.0');
    expect(await refusal()).toMatchObject({
      code: 'store-version-unusable',
      remedy: 'Use a newer release of Quorate.',
    });
  });

  it('no name, a bad URL, and fewer hosts than members', async () => {
    await fill('3.5.33', { spec: { memberCount: 5, etcdVersion: '3.5.33' } });
    expect((await refusal({ cluster: undefined })).code).toBe('cluster-not-named');
    expect((await refusal({ fromStore: 'ftp://x' })).code).toBe('store-url-invalid');
    expect(await refusal({ hosts: hosts(3) })).toMatchObject({
      code: 'host-invalid',
      summary: 'the cluster in the store has 5 members, and 3 hosts were given',
    });
  });
});
