import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { asQuorateError, QuorateError, systemErrorCode } from '../../base/errors.ts';
import { readFileIfExists } from '../../base/files.ts';
import { type CertificateAndKey, checkFleetAuthority } from '../../tls/fleet.ts';

/** A folder that `quorate init` made. */
export interface FleetFolder {
  /** Absolute. */
  readonly path: string;
  readonly pki: string;
  /** PEM of the authority that controller, operators and agents trust. */
  readonly authority: string;
}

/** A certificate in `pki/` as it lies there; nothing about it was checked. */
export interface FleetFile {
  /** `controller`, `operator`, `agents/a`. */
  readonly name: string;
  /** Absolute, without `.crt` and `.key`. */
  readonly path: string;
  readonly certificate: string;
  /** Undefined when the key is not there, because it lies on the host alone. */
  readonly key: string | undefined;
}

/** Throws `not-a-fleet` and `fleet-unreadable`. */
export async function openFleetFolder(dir: string): Promise<FleetFolder> {
  const path = resolve(dir);
  const pki = join(path, 'pki');
  const authority = await inFleet(path, () => readFileIfExists(join(pki, 'ca.crt')));
  if (authority !== undefined) return { path, pki, authority };
  throw new QuorateError({
    code: 'not-a-fleet',
    kind: 'invalid',
    operation: `open the fleet ${path}`,
    summary: `${join(pki, 'ca.crt')} does not exist, so this is no folder that \`quorate init\` made`,
    remedy: 'Name the folder that was given to `quorate init`.',
  });
}

/** The authority with its key. Throws `fleet-authority-missing`, `fleet-authority-unusable`, `not-pem`. */
export async function readFleetAuthority(fleet: FleetFolder, nowMs: number): Promise<CertificateAndKey> {
  const path = join(fleet.pki, 'ca.key');
  const key = await inFleet(fleet.path, () => readFileIfExists(path));
  if (key === undefined) {
    throw new QuorateError({
      code: 'fleet-authority-missing',
      kind: 'invalid',
      operation: 'sign with the authority of the fleet',
      summary: `${path} does not exist, and nothing else signs certificates that this fleet accepts`,
      remedy: `Copy it there from where you keep it, for as long as this takes, with mode 600.`,
    });
  }
  const authority = { certificate: fleet.authority, key };
  checkFleetAuthority(authority, nowMs);
  return authority;
}

/** What `pki/` holds: controller, operator, then the agents by name. */
export async function fleetFiles(fleet: FleetFolder): Promise<readonly FleetFile[]> {
  return inFleet(fleet.path, async () => {
    const agents = (await entriesOf(join(fleet.pki, 'agents')))
      .filter((entry) => /^[a-z0-9-]+\.crt$/.test(entry))
      .map((entry) => `agents/${entry.slice(0, -'.crt'.length)}`);
    const files: FleetFile[] = [];
    for (const name of ['controller', 'operator', ...agents.toSorted()]) {
      const path = join(fleet.pki, name);
      const certificate = await readFileIfExists(`${path}.crt`);
      if (certificate !== undefined)
        files.push({ name, path, certificate, key: await readFileIfExists(`${path}.key`) });
    }
    return files;
  });
}

/** None when there is no such folder. */
export async function entriesOf(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

/** Faults of the file system as `fleet-unreadable`. */
export async function inFleet<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw asQuorateError(error, {
      code: 'fleet-unreadable',
      kind: 'stalled',
      operation: `use the fleet ${path}`,
      remedy: 'Run this as the user that the folder belongs to, and see that its disk has room.',
    });
  }
}
