import { createPrivateKey, randomBytes } from 'node:crypto';
import { link, open, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { describeError, QuorateError, systemErrorCode } from '../base/errors.ts';
import { ensureFolder, replaceFile, syncFolder } from '../base/files.ts';
import type { Secret } from '../base/redact.ts';
import { damaged, formatAuthorityFile, parseAuthorityFile, type StoredAuthority } from './authority-file.ts';
import { authorityCommonName, backdateMs, makeAuthority } from './issue.ts';
import { generateKeys, privateKeyPem } from './keys.ts';
import type { Authority, Keystore } from './keystore.ts';
import { authorityNotFound, checkKeystoreName, isKeystoreName } from './keystore-names.ts';
import { signRequest } from './sign-request.ts';

export interface FileKeystoreOptions {
  /** Holds a folder for each cluster, and in it NAME.pem for each authority. Made when it is missing. */
  readonly folder: string;
  readonly clock: Clock;
  /** Keys are encrypted under it; without one they rely on file permissions alone. */
  readonly passphrase?: Secret | undefined;
}

const authorityKeyType = 'ecdsa-p256';
const suffix = '.pem';
// A spec names at most 8 authorities at a time; retired ones add up slowly.
const maxEntries = 1000;
/** Faults of the machine that say nothing about what the keystore holds. */
const passingFaults: readonly string[] = ['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE', 'EAGAIN', 'ENOMEM'];

/**
 * Authorities in files, 0600 in 0700 folders. Several processes may use one folder: an authority appears
 * at once and complete (a hard link to a finished file), and whoever comes second gets the first one's.
 * Throws `keystore-damaged` and `keystore-passphrase-…` rather than leave an authority out.
 */
export async function openFileKeystore(options: FileKeystoreOptions): Promise<Keystore> {
  const { folder, clock, passphrase } = options;
  await inKeystore(folder, () => ensureFolder(folder));
  /** What each file was read as, with its text, so that only a changed file is decrypted again. */
  const cache = new Map<string, { readonly text: string; readonly authority: StoredAuthority }>();

  async function load(cluster: string, name: string): Promise<StoredAuthority | undefined> {
    checkKeystoreName('cluster', cluster);
    checkKeystoreName('authority', name);
    const path = join(folder, cluster, `${name}${suffix}`);
    const text = await inKeystore(path, () => readPrivateFile(path));
    if (text === undefined) {
      cache.delete(path);
      return undefined;
    }
    const cached = cache.get(path);
    if (cached?.text === text) return cached.authority;
    const authority = await parseAuthorityFile(path, name, text, passphrase);
    if (passphrase !== undefined && !authority.isEncrypted)
      await inKeystore(path, () => encrypt(path, text, authority, passphrase));
    cache.set(path, { text, authority });
    return authority;
  }

  async function authorities(cluster: string): Promise<Readonly<Record<string, Authority>>> {
    checkKeystoreName('cluster', cluster);
    const path = join(folder, cluster);
    const names = await inKeystore(path, () => listAuthorities(path));
    const found: [string, Authority][] = [];
    for (const name of names) {
      const authority = await load(cluster, name);
      if (authority === undefined) throw damaged(join(path, `${name}${suffix}`), 'it is listed and leads nowhere');
      found.push([name, publicPart(authority)]);
    }
    return Object.fromEntries(found);
  }

  async function ensureAuthority(cluster: string, name: string, validityMs: number): Promise<Authority> {
    // All that is there must be sound, and open with this passphrase, before anything is added to it.
    const existing = (await authorities(cluster))[name];
    if (existing !== undefined) return existing;
    checkKeystoreName('authority', name);
    const path = join(folder, cluster);
    await inKeystore(path, async () => {
      await ensureFolder(path);
      await syncFolder(folder);
      const keys = await generateKeys(authorityKeyType);
      const nowMs = clock.now();
      const certificate = await makeAuthority({
        commonName: authorityCommonName(cluster, name),
        keys,
        keyType: authorityKeyType,
        notBeforeMs: nowMs - backdateMs,
        notAfterMs: nowMs + validityMs,
      });
      const key = createPrivateKey(await privateKeyPem(keys.privateKey));
      await createOnce(path, `${name}${suffix}`, formatAuthorityFile(certificate, key, passphrase));
    });
    const made = await load(cluster, name);
    if (made === undefined) throw damaged(path, `${name}${suffix} vanished right after it was made`);
    return publicPart(made);
  }

  return {
    authorities,
    ensureAuthority,
    issueLeaf: async (cluster, name, request) => {
      const authority = await load(cluster, name);
      if (authority === undefined) throw authorityNotFound(cluster, name);
      return signRequest(authority.signer, authority, request, clock.now());
    },
  };
}

/** Nobody but the caller of `load` sees what signs. */
function publicPart(authority: StoredAuthority): Authority {
  const { name, certificate, fingerprint, subject, notBeforeMs, notAfterMs } = authority;
  return { name, certificate, fingerprint, subject, notBeforeMs, notAfterMs };
}

/** Undefined when there is none. Refuses what others can read, as ssh does: its key may be known to them. */
async function readPrivateFile(path: string): Promise<string | undefined> {
  try {
    const { mode } = await stat(path);
    if ((mode & 0o077) !== 0)
      throw damaged(
        path,
        `others may access it (mode ${(mode & 0o777).toString(8)}); make sure that nobody has, then chmod 600`,
      );
    return await readFile(path, 'utf8');
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Sorted names; none when the folder does not exist. A file that is not one of ours may be an authority that was renamed. */
async function listAuthorities(path: string): Promise<readonly string[]> {
  let names: string[];
  try {
    const entries = await readdir(path, { withFileTypes: true });
    // Files that start with a dot were never finished; folders are not ours.
    names = entries.filter((entry) => !entry.isDirectory() && !entry.name.startsWith('.')).map((entry) => entry.name);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return [];
    throw error;
  }
  if (names.length > maxEntries) throw damaged(path, `it holds ${names.length} files, more than ${maxEntries}`);
  const foreign = names.filter((name) => !name.endsWith(suffix) || !isKeystoreName(name.slice(0, -suffix.length)));
  if (foreign.length > 0) throw damaged(path, `it holds files that are no authorities: ${foreign.join(', ')}`);
  return names.map((name) => name.slice(0, -suffix.length)).toSorted();
}

/** Makes a file that appears complete or not at all, unless it exists already; then that one stays. */
async function createOnce(folder: string, name: string, text: string): Promise<void> {
  const prefix = `.${name}.`;
  const temporary = join(folder, `${prefix}${randomBytes(6).toString('hex')}.tmp`);
  try {
    const handle = await open(temporary, 'wx', 0o600);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await link(temporary, join(folder, name));
  } catch (error) {
    // ENOENT: another process won and has cleared away our unfinished file; see below.
    if (!['EEXIST', 'ENOENT'].includes(systemErrorCode(error) ?? '')) {
      await rm(temporary, { force: true });
      throw error;
    }
  }
  await syncFolder(folder);
  // Ours, and those of processes that died half-way: each holds a key that will never be used.
  for (const entry of await readdir(folder)) {
    if (entry.startsWith(prefix)) await rm(join(folder, entry), { force: true });
  }
}

async function encrypt(path: string, text: string, authority: StoredAuthority, passphrase: Secret): Promise<void> {
  const key = createPrivateKey(text.slice(text.indexOf('-----BEGIN PRIVATE KEY-----')));
  await replaceFile(path, formatAuthorityFile(authority.certificate, key, passphrase));
}

async function inKeystore<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof QuorateError) throw error;
    const code = systemErrorCode(error);
    if (code === undefined || !/^E[A-Z0-9]+$/.test(code)) throw error;
    if (!passingFaults.includes(code)) throw damaged(path, describeError(error), error);
    throw new QuorateError({
      code: 'keystore-unavailable',
      kind: 'transient',
      operation: `use keystore ${path}`,
      summary: describeError(error),
      remedy: 'Make room on the disk, or raise the limit of open files.',
      cause: error,
    });
  }
}
