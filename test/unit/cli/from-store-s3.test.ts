import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openStore } from '../../../src/backup/open-store.ts';
import type { ObjectStore } from '../../../src/backup/store.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { backupPruneCommand } from '../../../src/cli/backup-prune.ts';
import { init } from '../../../src/cli/init.ts';
import { loadSpecs } from '../../../src/spec/load.ts';
import { writeManagerStore } from '../../support/manager-store.ts';
import { s3SkipReason } from '../../support/s3-program.ts';
import { type S3Server, startS3Server } from '../../support/s3-server.ts';
import { databaseOf, errorOf, snapshotOf } from '../backup/streams.ts';

const names = ['2026-11-18T15:29:48Z-000001', '2026-11-19T15:29:48Z-000002', '2026-11-20T15:29:48Z-000003'] as const;

describe.skipIf(s3SkipReason() !== undefined)('a store of etcd-manager in S3', () => {
  let server: S3Server;
  let parent: string;
  let url: string;
  let store: ObjectStore;

  beforeAll(async () => {
    server = await startS3Server();
    Object.assign(process.env, server.env);
    parent = await mkdtemp(join(tmpdir(), 'quorate-from-s3-'));
    await mkdir(join(parent, 'home'));
    url = server.storeUrl('backups/etcd');
    const snapshot = snapshotOf(databaseOf(4096));
    for (const cluster of ['main', 'events']) {
      const root = await writeManagerStore({
        folder: join(parent, 'written'),
        cluster,
        backups: names.map((name) => ({ name, etcdVersion: '3.5.33', style: 'spaced', snapshot })),
        spec: { memberCount: 3, etcdVersion: '3.5.33', style: 'snake' },
      });
      store = await openStore(url, cluster, { log: silentLogger, clock: systemClock });
      for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
        const file = join(entry.parentPath, entry.name);
        if (entry.isFile()) await store.writeStream(file.slice(root.length + 1), createReadStream(file));
      }
    }
  }, 60_000);
  afterAll(async () => {
    await server.stop();
    await rm(parent, { recursive: true, force: true });
  });

  const run = async (dir: string, cluster: string, fromStore = url): Promise<string> => {
    let text = '';
    const environment = { PATH: process.env['PATH'], HOME: join(parent, 'home') };
    await init({ dir: join(parent, dir), cluster, fromStore, environment }, { write: (part) => (text += part) });
    return text;
  };

  it('gives a spec with its URL', async () => {
    expect(await run('fleet', 'main')).toContain('backups          3, of etcd 3.5.33\n');
    const content = await readFile(join(parent, 'fleet', 'repo', 'clusters', 'main.yaml'), 'utf8');
    const { specs, diagnostics } = loadSpecs([{ path: 'clusters/main.yaml', content }]);
    expect(diagnostics).toEqual([]);
    expect(specs[0]?.spec).toMatchObject({ version: '3.5.33', members: 3, backup: { store: url } });
  });

  it('has the names that are there for one that is not', async () => {
    const error = await errorOf(run('wrong', 'evnets'));
    expect([error.code, error.remedy]).toEqual(['store-empty', `Check --cluster: below ${url} lie events, main.`]);
    expect((await errorOf(run('far', 'main', server.storeUrl('backups/etcd/main')))).remedy).toBe(
      `${server.storeUrl('backups/etcd/main')} is the store of one cluster itself. Give the place above it: --from-store '${url}' --cluster main`,
    );
    expect((await errorOf(run('nothing', 'main', server.storeUrl('elsewhere')))).remedy).toMatch(
      /^(Nothing lies below|What else lies below)/,
    );
  });

  it('is pruned', async () => {
    const options = { store: url, cluster: 'events', keep: 'last=1', format: 'json' } as const;
    let out = '';
    const terminal = { out: (text: string) => (out += text), err: () => undefined, hasColor: false };
    expect(await backupPruneCommand(options, terminal)).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ deleted: [names[0], names[1]], failed: [] });
    const left = new Set((await store.list('')).map(({ key }) => key.split('/', 1)[0]));
    expect([...left]).toEqual([names[2], 'control']);
  });
});
