import { chmod, link, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openFileKeystore } from '../../../src/tls/file-keystore.ts';
import { clockAt, codeOf, dayMs, inTemporaryFolder, startMs } from './certificates.ts';
import { inKeystore } from './in-keystore.ts';

describe('a keystore that cannot be trusted is an error, never an empty one', () => {
  const damage: readonly [string, (path: string, folder: string) => Promise<void>][] = [
    ['an empty file', (path) => writeFile(path, '')],
    [
      'a file cut off in the certificate',
      async (path) => writeFile(path, (await readFile(path, 'utf8')).slice(0, 300)),
    ],
    ['a file cut off in the key', async (path) => writeFile(path, (await readFile(path, 'utf8')).slice(0, -60))],
    [
      'a file without its key',
      async (path) => writeFile(path, (await readFile(path, 'utf8')).replace(/-----BEGIN PRIVATE[\s\S]*/, '')),
    ],
    [
      'a file without its certificate',
      async (path) => writeFile(path, (await readFile(path, 'utf8')).replace(/^[\s\S]*?(?=-----BEGIN PRIVATE)/, '')),
    ],
    [
      'the key of another authority',
      async (path, folder) => {
        const [own, other] = [
          await readFile(path, 'utf8'),
          await readFile(join(folder, 'carts', 'peer-1.pem'), 'utf8'),
        ];
        await writeFile(
          path,
          own.slice(0, own.indexOf('-----BEGIN PRIVATE')) + other.slice(other.indexOf('-----BEGIN PRIVATE')),
        );
      },
    ],
    ['a file that others may read', (path) => chmod(path, 0o640)],
    [
      'a link to itself',
      async (path) => {
        await rm(path);
        await symlink(path, path);
      },
    ],
    [
      'a link that leads nowhere',
      async (path, folder) => {
        await rm(path);
        await symlink(join(folder, 'gone'), path);
      },
    ],
    ['an authority that was renamed by hand', (path) => link(path, `${path}.bak`)],
    [
      'a file in place of the folder',
      async (path, folder) => {
        await rm(join(folder, 'orders'), { recursive: true });
        await writeFile(join(folder, 'orders'), path);
      },
    ],
  ];

  test.each(damage)('%s', (_what, spoil) =>
    inKeystore(async (keystore, folder) => {
      await keystore.ensureAuthority('carts', 'peer-1', dayMs);
      await keystore.ensureAuthority('orders', 'peer-1', dayMs);
      await spoil(join(folder, 'orders', 'peer-1.pem'), folder);
      expect(await codeOf(() => keystore.authorities('orders'))).toBe('keystore-damaged');
      expect(await codeOf(() => keystore.ensureAuthority('orders', 'peer-2', dayMs))).toBe('keystore-damaged');
      expect(await codeOf(() => keystore.authorities('carts'))).toBe('nothing was thrown');
    }),
  );

  test('a folder that cannot be made', () =>
    inTemporaryFolder(async (parent) => {
      await writeFile(join(parent, 'file'), '');
      const open = () => openFileKeystore({ folder: join(parent, 'file', 'keystore'), clock: clockAt(startMs) });
      expect(await codeOf(open)).toBe('keystore-damaged');
    }));
});

describe('a crash half-way', () => {
  test('before the authority appeared: it is made, and the rest is cleared away', () =>
    inKeystore(async (keystore, folder) => {
      await mkdir(join(folder, 'orders'), { mode: 0o700 });
      await writeFile(join(folder, 'orders', '.peer-1.pem.0123456789ab.tmp'), '-----BEGIN CERT', { mode: 0o600 });
      await writeFile(join(folder, 'orders', '.peer-10.pem.0123456789ab.tmp'), 'of another', { mode: 0o600 });
      expect(await keystore.authorities('orders')).toEqual({});
      await keystore.ensureAuthority('orders', 'peer-1', dayMs);
      expect((await readdir(join(folder, 'orders'))).toSorted()).toEqual([
        '.peer-10.pem.0123456789ab.tmp',
        'peer-1.pem',
      ]);
    }));

  test('after it appeared: the one that appeared stays', () =>
    inKeystore(async (keystore, folder, clock) => {
      const first = await keystore.ensureAuthority('orders', 'peer-1', dayMs);
      await link(join(folder, 'orders', 'peer-1.pem'), join(folder, 'orders', '.peer-1.pem.0123456789ab.tmp'));
      const after = await openFileKeystore({ folder, clock });
      expect(await after.ensureAuthority('orders', 'peer-1', dayMs)).toEqual(first);
    }));
});
