import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest';
import { openStore } from '../../../src/backup/open-store.ts';
import type { ObjectStore } from '../../../src/backup/store.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { type BackupPruneOptions, backupPruneCommand, parseKeep } from '../../../src/cli/backup-prune.ts';
import { errorOf } from '../backup/streams.ts';

const names = ['2026-01-01T00:00:00Z-000001', '2026-01-02T00:00:00Z-000001', '2026-01-03T00:00:00Z-000001'];
let folder: string;
let url: string;
let store: ObjectStore;
let out: string;
let err: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'quorate-prune-'));
  url = pathToFileURL(folder).href;
  [out, err] = ['', ''];
  store = await openStore(url, 'orders', { log: silentLogger, clock: systemClock });
  for (const name of names) {
    await store.write(`${name}/etcd.backup.gz`, 'whole');
    await store.write(`${name}/_etcd_backup.meta`, '{"etcdVersion":"3.4.13"}');
  }
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const run = (more: Partial<BackupPruneOptions>): Promise<number> =>
  backupPruneCommand(
    { store: url, cluster: 'orders', keep: 'last=1,daily=2', format: 'text', ...more },
    { out: (text) => (out += text), err: (text) => (err += text), hasColor: false },
  );
const left = async (): Promise<readonly string[]> => [
  ...new Set((await store.list('')).map(({ key }) => key.split('/', 1)[0] ?? '')),
];

describe('quorate backup prune', () => {
  it('shows each backup with its verdict and why, and deletes nothing, with --dry-run', async () => {
    expect(await run({ dryRun: true })).toBe(0);
    const lines = out.trimEnd().split('\n');
    expect(lines[0]).toMatch(/^NAME +AGE +VERDICT +WHY$/);
    expect(lines[1]).toMatch(
      new RegExp(
        `^${names[2] ?? ''} .*  keep +the newest; the newest of its day; has no proof: another program wrote it$`,
      ),
    );
    expect(lines[3]).toMatch(new RegExp(`^${names[0] ?? ''} .*  delete +beyond what .keep. asks for; has no proof`));
    expect(lines.at(-1)).toBe('1 of 3 would be deleted.');
    expect(await left()).toEqual(names);
  });

  it('deletes, and says what and why', async () => {
    expect(await run({})).toBe(0);
    expect(out).toBe(
      `deleted ${names[0] ?? ''}: beyond what \`keep\` asks for; has no proof: another program wrote it\n1 of 3 backups deleted.\n`,
    );
    expect(err).toBe('');
    expect(await left()).toEqual(names.slice(1));
  });

  it('says the same as JSON', async () => {
    await run({ dryRun: true, format: 'json' });
    expect(JSON.parse(out)).toMatchObject({
      formatVersion: '1.0',
      dryRun: true,
      backups: [{ name: names[2], verdict: 'keep' }, { verdict: 'keep' }, { name: names[0], verdict: 'delete' }],
      deleted: [],
      failed: [],
      left: 0,
    });
    out = '';
    await run({ format: 'json' });
    expect(JSON.parse(out)).toMatchObject({
      dryRun: false,
      deleted: [names[0]],
      failed: [],
      left: 0,
      historyDeleted: 0,
    });
  });

  test.each<readonly [string, Partial<BackupPruneOptions>, string]>([
    ['a store beside a configuration', { config: 'controller.yaml' }, 'options-unclear'],
    ['a store without --keep', { keep: undefined }, 'keep-missing'],
    ['a store that is none', { store: 'http://x' }, 'store-url-invalid'],
    ['nothing to keep', { keep: 'daily=2' }, 'keep-invalid'],
    ['an unknown word', { keep: 'last=1,yearly=2' }, 'keep-invalid'],
    ['a word given twice', { keep: 'last=1,last=2' }, 'keep-invalid'],
    ['too many', { keep: 'last=10001' }, 'keep-invalid'],
  ])('refuses %s', async (_what, options, code) => {
    const error = await errorOf(run({ keep: 'last=1', ...options }));
    expect([error.code, error.kind]).toEqual([code, 'invalid']);
    expect(await left()).toEqual(names);
  });

  it('refuses a store without a cluster', async () => {
    const terminal = { out: () => undefined, err: () => undefined, hasColor: false };
    const error = await errorOf(backupPruneCommand({ store: url, keep: 'last=1', format: 'text' }, terminal));
    expect(error.code).toBe('options-unclear');
  });

  it('reads --keep in any order, with what is left out as none', () => {
    expect(parseKeep('weekly=8, last=24')).toEqual({ last: 24, hourly: 0, daily: 0, weekly: 8 });
  });
});
