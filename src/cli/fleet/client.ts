import { join, resolve } from 'node:path';
import { formatTime } from '../../base/clock.ts';
import { parseDuration } from '../../base/duration.ts';
import { asQuorateError, QuorateError } from '../../base/errors.ts';
import { ensureFolder, readFileIfExists } from '../../base/files.ts';
import { checkCertificateNames } from '../../tls/issue.ts';
import { clientCredentials, recordOf } from '../client-credentials.ts';
import { desiredAt, selectOne, withWorld } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import type { Terminal } from '../terminal.ts';
import { createFiles } from './new-files.ts';

export interface FleetClientOptions {
  readonly config?: string;
  readonly cluster?: string;
  /** Common name: the user in etcd's access control, and the name of the files. */
  readonly name: string;
  /** Default the current folder. */
  readonly out?: string;
  /** Such as `90d`, which is the default; never beyond the authority. */
  readonly validity?: string;
}

const dayMs = 24 * 3_600_000;
const minValidityMs = 60_000;
const maxValidityMs = 10 * 365 * dayMs;

/**
 * `quorate fleet client DIR --name CN`: a client certificate for an application, signed by the cluster's client
 * authority. Writes ca.pem, CN.pem and CN.key, and overwrites nothing. Throws `file-exists`, `name-invalid`,
 * `validity-invalid`, `cluster-not-created`.
 */
export async function fleetClient(
  dir: string | undefined,
  options: FleetClientOptions,
  terminal: Terminal,
): Promise<number> {
  const { name } = options;
  checkCertificateNames(name, []);
  const validityMs = validityOf(options.validity ?? '90d');
  const config = options.config ?? (dir === undefined ? undefined : join(dir, 'controller.yaml'));
  const out = resolve(options.out ?? '.');
  const path = (file: string): string => join(out, file);
  return withWorld(config, async (world) => {
    const { spec } = selectOne(await desiredAt(world, undefined), options.cluster);
    const record = await recordOf(world, spec);
    const credentials = await clientCredentials(world, spec, record, name, validityMs);
    await inFolder(out, async () => {
      await ensureFolder(out);
      // Applications of one cluster may share a folder: the same authorities are no other file.
      const isThere = (await readFileIfExists(path('ca.pem'))) === credentials.ca;
      await createFiles([
        { path: path(`${name}.key`), content: credentials.key, mode: 0o600 },
        ...(isThere ? [] : [{ path: path('ca.pem'), content: credentials.ca, mode: 0o644 }]),
        { path: path(`${name}.pem`), content: credentials.certificate, mode: 0o644 },
      ]);
    });
    const { notAfterMs } = credentials;
    const isCut = notAfterMs < world.clock.now() + validityMs - minValidityMs;
    terminal.out(`Made a client certificate for ${name} of cluster ${spec.name}, until ${formatTime(notAfterMs)}${isCut ? ', when its authority ends' : ''}:
  ${path('ca.pem')}  whom to trust
  ${path(`${name}.pem`)}  the certificate
  ${path(`${name}.key`)}  its key; keep it secret
`);
    return exitCodes.done;
  });
}

function validityOf(text: string): number {
  const validityMs = parseDuration(text);
  if (validityMs !== undefined && validityMs >= minValidityMs && validityMs <= maxValidityMs) return validityMs;
  throw new QuorateError({
    code: 'validity-invalid',
    kind: 'invalid',
    operation: 'read --validity',
    summary: `${JSON.stringify(text.slice(0, 100))} is not a time from 1m to 10y`,
    remedy: 'Give it as 12h, 90d or 1y.',
  });
}

async function inFolder(path: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    throw asQuorateError(error, {
      code: 'folder-unusable',
      kind: 'invalid',
      operation: `write into ${path}`,
      remedy: 'Name a folder with --out in which this user may write.',
    });
  }
}
