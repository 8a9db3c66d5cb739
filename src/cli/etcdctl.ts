import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClusterRecord } from '../backup/store.ts';
import { QuorateError } from '../base/errors.ts';
import { replaceFile } from '../base/files.ts';
import { silentLogger } from '../base/log.ts';
import { createBinaries } from '../etcd/binaries.ts';
import { type ClusterSpec, clientUrl } from '../spec/cluster-spec.ts';
import { defaultBinarySettings } from './binaries.ts';
import { clientCredentials, recordOf } from './client-credentials.ts';
import { desiredAt, selectOne, withWorld } from './context.ts';

export interface EtcdctlOptions {
  readonly config?: string;
  readonly cluster?: string;
  readonly member?: string;
}

/** Of the certificate that etcdctl gets; long enough for a `watch` that somebody forgot. */
const validityMs = 12 * 3_600_000;

/** `quorate etcdctl -- ARGS`: endpoints and a short-lived certificate are filled in; gives etcdctl's exit code. */
export async function etcdctlCommand(options: EtcdctlOptions, args: readonly string[]): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-etcdctl-'));
  try {
    const { environment, binary } = await withWorld(options.config, async (world) => {
      const { spec } = selectOne(await desiredAt(world, undefined), options.cluster);
      const record = await recordOf(world, spec);
      const credentials = await clientCredentials(world, spec, record, 'quorate-operator', validityMs);
      const file = async (name: string, content: string): Promise<string> => {
        await replaceFile(join(folder, name), content);
        return join(folder, name);
      };
      const settings = await defaultBinarySettings(process.env);
      const found = await createBinaries({ ...settings, clock: world.clock, log: silentLogger }).ensure(spec.version);
      return {
        binary: found.etcdctl,
        environment: {
          ETCDCTL_ENDPOINTS: endpointsOf(spec, record, options.member).join(','),
          ETCDCTL_CACERT: await file('ca.pem', credentials.ca),
          ETCDCTL_CERT: await file('client.pem', credentials.certificate),
          ETCDCTL_KEY: await file('client.key', credentials.key),
        },
      };
    });
    if (binary === null) {
      throw new QuorateError({
        code: 'etcdctl-missing',
        kind: 'stalled',
        operation: 'run etcdctl',
        summary: 'this release came without etcdctl',
        remedy: 'Install etcdctl of the same minor on the PATH.',
      });
    }
    return await run(binary, args, environment);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Client URLs: of the one member; else of the hosts on record, because spares serve nobody; of all hosts when
 * there is no record. Throws `host-unknown`.
 */
export function endpointsOf(
  spec: ClusterSpec,
  record: ClusterRecord | null | undefined,
  member: string | undefined,
): readonly string[] {
  if (member === undefined) {
    const onRecord = spec.hosts.filter((host) => record?.hosts.some((known) => known.name === host.name) === true);
    return (onRecord.length > 0 ? onRecord : spec.hosts).map(clientUrl);
  }
  const host = spec.hosts.find((candidate) => candidate.name === member);
  if (host !== undefined) return [clientUrl(host)];
  throw new QuorateError({
    code: 'host-unknown',
    kind: 'invalid',
    operation: `find member ${member} of ${spec.name}`,
    summary: 'the spec has no host of that name',
    remedy: `Hosts: ${spec.hosts.map(({ name }) => name).join(', ')}.`,
  });
}

function run(binary: string, args: readonly string[], environment: Readonly<Record<string, string>>): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(binary, args, { stdio: 'inherit', env: { ...process.env, ...environment } });
    // Ctrl-C reaches the child by itself; we stay to remove the certificate.
    process.on('SIGINT', () => undefined);
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}
