import { X509Certificate } from 'node:crypto';
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { configPath } from '../../../src/cli/context.ts';
import { endpointsOf, etcdctlCommand } from '../../../src/cli/etcdctl.ts';
import { fleetClient } from '../../../src/cli/fleet/client.ts';
import { loadSpecs } from '../../../src/spec/load.ts';
import { openFileKeystore } from '../../../src/tls/file-keystore.ts';
import { checkLeaf } from '../../../src/tls/leaf.ts';
import { readPassphrase } from '../../../src/tls/passphrase.ts';
import { dayMs } from '../tls/certificates.ts';
import { errorOf, inFleetFolder, screen } from './fleet-folder.ts';

/** What creating the cluster does to the keystore. */
async function makeAuthority(dir: string, validityMs = 365 * dayMs): Promise<string> {
  const keystore = await openFileKeystore({
    folder: join(dir, 'state/keystore'),
    clock: systemClock,
    passphrase: await readPassphrase({}, join(dir, 'pki/keystore.passphrase')),
  });
  return (await keystore.ensureAuthority('orders', 'client-1', validityMs)).certificate;
}

describe('fleet client', () => {
  test('writes a certificate that the cluster accepts, its key for its owner alone, and whom to trust', async () => {
    await inFleetFolder({}, async (dir) => {
      const ca = await makeAuthority(dir);
      const out = join(dir, 'new/app');
      const terminal = screen();
      expect(await fleetClient(dir, { name: 'my-app', cluster: 'orders', out, validity: '12h' }, terminal)).toBe(0);
      const read = (file: string): Promise<string> => readFile(join(out, file), 'utf8');
      const [certificate, key, trust] = [await read('my-app.pem'), await read('my-app.key'), await read('ca.pem')];
      expect(trust).toBe(ca);
      const leaf = checkLeaf({ certificate, key, trust, nowMs: systemClock.now() });
      expect([leaf.subject, leaf.sans]).toEqual(['CN=my-app', []]);
      expect(Math.abs(leaf.notAfterMs - systemClock.now() - dayMs / 2)).toBeLessThan(60_000);
      expect((await stat(join(out, 'my-app.key'))).mode & 0o777).toBe(0o600);
      for (const file of ['ca.pem', 'my-app.pem', 'my-app.key']) expect(terminal.printed()).toContain(join(out, file));
    });
  });

  test('overwrites nothing; another application may share the folder', async () => {
    await inFleetFolder({}, async (dir) => {
      await makeAuthority(dir);
      const out = join(dir, 'apps');
      const make = (name: string): Promise<number> => fleetClient(dir, { name, out }, screen());
      await make('one');
      const before = await readFile(join(out, 'one.pem'), 'utf8');
      expect((await errorOf(make('one'))).code).toBe('file-exists');
      expect(await readFile(join(out, 'one.pem'), 'utf8')).toBe(before);
      await make('two');
      expect(await readdir(out)).toEqual(['ca.pem', 'one.key', 'one.pem', 'two.key', 'two.pem']);
      await writeFile(join(out, 'ca.pem'), 'of another cluster');
      expect((await errorOf(make('three'))).code).toBe('file-exists');
      expect((await errorOf(make('ca'))).code).toBe('file-exists');
      expect(await readdir(out)).toHaveLength(5);
    });
  });

  test('never outlives its authority, and says so', async () => {
    await inFleetFolder({}, async (dir) => {
      const ca = new X509Certificate(await makeAuthority(dir, 30 * dayMs));
      const terminal = screen();
      await fleetClient(undefined, { config: join(dir, 'controller.yaml'), name: 'app', out: dir }, terminal);
      expect(new X509Certificate(await readFile(join(dir, 'app.pem'))).validTo).toBe(ca.validTo);
      expect(terminal.printed()).toContain('when its authority ends');
    });
  });

  test('what is missing or wrong is said', async () => {
    await inFleetFolder({}, async (dir) => {
      const codeOf = async (options: object, folder = dir): Promise<string> =>
        (await errorOf(fleetClient(folder, { name: 'app', out: join(dir, 'x'), ...options }, screen()))).code;
      expect(await codeOf({ name: '../app' })).toBe('name-invalid');
      for (const validity of ['', '90', '1s', '11y']) expect(await codeOf({ validity })).toBe('validity-invalid');
      expect(await codeOf({ cluster: 'carts' })).toBe('cluster-unknown');
      expect(await codeOf({}, join(dir, 'repo'))).toBe('file-not-found');
      expect(await codeOf({})).toBe('cluster-not-created');
      await makeAuthority(dir);
      expect(await codeOf({ out: join(dir, 'controller.yaml') })).toBe('folder-unusable');
      // An authority that was there once: this is not a new cluster.
      await writeFile(join(dir, 'backups'), 'no folder');
      await rm(join(dir, 'state/keystore'), { recursive: true });
      expect(await codeOf({})).toBe('authority-not-found');
    });
  });
});

describe('etcdctl', () => {
  test('before the first bootstrap it says that there is no cluster yet', async () => {
    await inFleetFolder({}, async (dir) => {
      const error = await errorOf(etcdctlCommand({ config: join(dir, 'controller.yaml') }, ['get', 'x']));
      expect(error.code).toBe('cluster-not-created');
      expect(error.summary).toContain('no cluster of this name was created yet');
      expect(error.remedy).not.toContain('restore');
    });
  });

  test('asks the hosts on record, all of them without a record, or the one that is named', async () => {
    await inFleetFolder({}, async (dir) => {
      const path = join(dir, 'repo/clusters/orders.yaml');
      const spec = loadSpecs([{ path, content: await readFile(path) }]).specs[0]?.spec;
      if (spec === undefined) throw new Error('init made no spec');
      const record = {
        formatVersion: '1.0' as const,
        cluster: 'orders',
        clusterId: 'abc',
        bootstrapIds: ['first'],
        versions: [spec.version],
        members: 1,
        hosts: ['c', 'gone'].map((name) => ({ name, agent: `https://${name}:7001`, address: name })),
        operation: null,
        lastRevision: 1,
      };
      const all = ['https://127.0.0.1:2379', 'https://127.0.0.1:2389', 'https://127.0.0.1:2399'];
      expect(endpointsOf(spec, record, undefined)).toEqual(['https://127.0.0.1:2399']);
      expect(endpointsOf(spec, null, undefined)).toEqual(all);
      expect(endpointsOf(spec, undefined, undefined)).toEqual(all);
      expect(endpointsOf(spec, { ...record, hosts: [] }, undefined)).toEqual(all);
      expect(endpointsOf(spec, record, 'a')).toEqual(['https://127.0.0.1:2379']);
      expect(() => endpointsOf(spec, record, 'x')).toThrow('the spec has no host of that name');
    });
  });
});

test('the configuration is the one named, else that of the environment, else the one here', () => {
  expect(configPath('a.yaml', { QUORATE_CONFIG: 'b.yaml' })).toBe('a.yaml');
  expect(configPath(undefined, { QUORATE_CONFIG: 'b.yaml' })).toBe('b.yaml');
  expect(configPath(undefined, { QUORATE_CONFIG: '' })).toBe('controller.yaml');
  expect(configPath(undefined, {})).toBe('controller.yaml');
});
