import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { generatePassphrase, readPassphrase } from '../../../src/tls/passphrase.ts';
import { codeOf, inTemporaryFolder } from './certificates.ts';

const variable = 'QUORATE_KEYSTORE_PASSPHRASE';

test('comes from the environment, else from the file, else there is none', () =>
  inTemporaryFolder(async (folder) => {
    const file = join(folder, 'passphrase');
    const secret = generatePassphrase();
    await writeFile(file, `${secret.reveal()}\n`, { mode: 0o600 });
    expect((await readPassphrase({}, file))?.reveal()).toBe(secret.reveal());
    expect((await readPassphrase({ [variable]: 'from the environment' }, file))?.reveal()).toBe('from the environment');
    expect((await readPassphrase({ [variable]: '' }, file))?.reveal()).toBe(secret.reveal());
    expect(await readPassphrase({}, undefined)).toBeUndefined();
  }));

test('a file that is missing, weak or open to others is an error, not "no passphrase"', () =>
  inTemporaryFolder(async (folder) => {
    const file = join(folder, 'passphrase');
    expect(await codeOf(() => readPassphrase({}, file))).toBe('passphrase-unreadable');
    await writeFile(file, 'short\n', { mode: 0o600 });
    expect(await codeOf(() => readPassphrase({}, file))).toBe('passphrase-weak');
    await writeFile(file, generatePassphrase().reveal());
    await chmod(file, 0o644);
    expect(await codeOf(() => readPassphrase({}, file))).toBe('passphrase-unreadable');
    expect(await codeOf(() => readPassphrase({ [variable]: 'short' }, undefined))).toBe('passphrase-weak');
  }));
