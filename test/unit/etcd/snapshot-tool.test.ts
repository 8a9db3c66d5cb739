import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readWalIdentity } from '../../../src/agent/wal.ts';
import { canBumpRevision } from '../../../src/etcd/releases.ts';
import { type RestoreArguments, restoreCommand } from '../../../src/etcd/snapshot-tool.ts';
import { type Minor, requireRelease, skipReason, testBinaries } from '../../support/binaries.ts';
import { containing } from './matchers.ts';
import { realSnapshot } from './real-snapshot.ts';

const request: RestoreArguments = {
  snapshotFile: '/restore/snapshot.db',
  dataDir: '/restore/prepared',
  member: 'a',
  peerUrl: 'https://10.0.0.11:2380',
  initialCluster: 'a=https://10.0.0.11:2380,b=https://10.0.0.12:2380',
  token: 'orders-again-c0ffee0',
  bumpRevision: 0,
};

const release = (version: string, more: { readonly etcdctl?: null; readonly etcdutl?: null } = {}) => ({
  version,
  etcd: '/bin/etcd',
  etcdctl: '/bin/etcdctl',
  etcdutl: '/bin/etcdutl',
  source: '/bin',
  ...more,
});

describe('the command that restores a snapshot', () => {
  it.each([
    ['3.4.45', '/bin/etcdctl', { ETCDCTL_API: '3' }],
    ['3.5.0', '/bin/etcdutl', {}],
    ['3.6.14', '/bin/etcdutl', {}],
    ['3.10.0', '/bin/etcdutl', {}],
  ])('of etcd %s is that of %s, and never skips the hash', (version, program, env) => {
    const command = restoreCommand(release(version), request);
    expect(command).toMatchObject({ program, env });
    expect(command.args.slice(0, 3)).toEqual(['snapshot', 'restore', '/restore/snapshot.db']);
    expect(command.args.join(' ')).toContain(
      '--data-dir /restore/prepared --name a --initial-advertise-peer-urls https://10.0.0.11:2380',
    );
    expect(command.args.filter((arg) => /skip|bump|compacted/.test(arg))).toEqual([]);
  });

  it('raises revisions, and marks what was before as compacted, where that is asked for', () => {
    const { args } = restoreCommand(release('3.5.10'), { ...request, bumpRevision: 1_000_000 });
    expect(args.slice(-3)).toEqual(['--bump-revision', '1000000', '--mark-compacted']);
  });

  it.each(['3.4.26', '3.5.9'])('refuses to raise revisions by etcd %s, which would not understand it', (version) => {
    expect(() => restoreCommand(release(version), { ...request, bumpRevision: 1 })).toThrow(
      containingCode('revision-bump-unsupported'),
    );
  });

  it.each([
    ['3.4.45', { etcdctl: null }, 'there is no etcdctl beside /bin/etcd'],
    ['3.6.14', { etcdutl: null }, 'there is no etcdutl beside /bin/etcd'],
  ] as const)('of etcd %s says which program is missing', (version, missing, summary) => {
    expect(() => restoreCommand(release(version, missing), request)).toThrow(
      containingCode('restore-tool-missing', summary),
    );
  });
});

function containingCode(code: string, summary?: string): unknown {
  return expect.objectContaining({ code, ...(summary === undefined ? {} : { summary: containing(summary) }) });
}

const minors: readonly Minor[] = ['v34', 'v35', 'v36'];

describe.each(minors)('%s', (minor) => {
  describe.skipIf(skipReason(minor) !== undefined)('the tool itself', () => {
    let folder: string;
    let snapshotFile: string;

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'quorate-tool-'));
      snapshotFile = join(folder, 'snapshot.db');
      await writeFile(snapshotFile, await realSnapshot(minor, { one: 'first', two: 'second' }));
    }, 60_000);
    afterAll(() => rm(folder, { recursive: true, force: true }));

    async function restore(member: 'a' | 'b', more: Partial<RestoreArguments> = {}) {
      const version = requireRelease(minor);
      const dataDir = await mkdtemp(join(folder, `${member}-`));
      await rm(dataDir, { recursive: true });
      const command = restoreCommand(await (await testBinaries()).ensure(version), {
        ...request,
        snapshotFile,
        dataDir,
        member,
        peerUrl: `https://10.0.0.1${member === 'a' ? 1 : 2}:2380`,
        bumpRevision: canBumpRevision(version) ? 1_000_000 : 0,
        ...more,
      });
      await promisify(execFile)(command.program, [...command.args], { env: { ...command.env } });
      const identity = await readWalIdentity(dataDir);
      if (identity === undefined) throw new Error(`${dataDir} tells no identity`);
      return identity;
    }

    it('makes members of one cluster on every host, and of another one with every token', async () => {
      const [a, b, other] = await Promise.all([restore('a'), restore('b'), restore('a', { token: 'another' })]);
      expect(a.clusterId).toMatch(/^[0-9a-f]{1,16}$/);
      expect(b.clusterId).toBe(a.clusterId);
      expect(b.memberId).not.toBe(a.memberId);
      expect(other.clusterId).not.toBe(a.clusterId);
      expect(other.memberId).not.toBe(a.memberId);
      expect(await restore('a')).toEqual(a);
    }, 60_000);

    it('refuses a snapshot of which one bit is another one', async () => {
      const altered = await readFile(snapshotFile);
      const place = Math.trunc(altered.length / 2);
      altered[place] = (altered[place] ?? 0) ^ 1;
      const file = join(folder, 'altered.db');
      await writeFile(file, altered);
      await expect(restore('a', { snapshotFile: file })).rejects.toThrow(/sha256/);
    }, 60_000);
  });
});
