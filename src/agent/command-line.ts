import { QuorateError } from '../base/errors.ts';
import { type MemberPaths, tlsPaths } from './paths.ts';
import type { JoinMode, StartRequest } from './wire.ts';

/** Flags that would take the data, the identity or the security of a member out of the agent's hands. */
const ownedFlags: ReadonlySet<string> = new Set([
  'name',
  'data-dir',
  'wal-dir',
  'initial-cluster',
  'initial-cluster-token',
  'initial-cluster-state',
  'force-new-cluster',
  'auto-tls',
  'peer-auto-tls',
  'proxy',
  'log-output',
  'log-outputs',
  'enable-log-rotation',
  'log-rotation-config-json',
]);

/** Mutual TLS is not an option: these are always on. */
const mutualTlsFlags = ['client-cert-auth', 'peer-client-cert-auth'] as const;

const flagName = /^[a-z][a-z0-9-]{0,99}$/;

/** The argument by which the member's process is found again. */
export function dataDirArgument(paths: MemberPaths): string {
  return `--data-dir=${paths.data}`;
}

/** Throws `flag-not-allowed` for the first flag that the controller may not set. */
export function checkFlags(flags: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(flags)) {
    const problem = flagProblem(name, value);
    if (problem === undefined) continue;
    throw new QuorateError({
      code: 'flag-not-allowed',
      kind: 'invalid',
      operation: 'check the flags of etcd',
      summary: `--${name} ${problem}`,
      remedy: 'Leave it out.',
    });
  }
}

/**
 * Arguments of etcd.
 * @param join given only when the data dir is empty: later starts take the identity from the data
 */
export function etcdArguments(
  paths: MemberPaths,
  request: StartRequest,
  join: JoinMode | undefined,
): readonly string[] {
  const peer = tlsPaths(paths.tls, 'peer');
  const client = tlsPaths(paths.tls, 'client');
  const owned: Record<string, string> = {
    name: request.member,
    'data-dir': paths.data,
    'cert-file': client.leaf,
    'key-file': client.leaf,
    'trusted-ca-file': client.trust,
    'peer-cert-file': peer.leaf,
    'peer-key-file': peer.leaf,
    'peer-trusted-ca-file': peer.trust,
    'log-outputs': 'stderr',
  };
  for (const name of mutualTlsFlags) owned[name] = 'true';
  // From 3.5 on zap is the default; 3.4 still starts with capnslog, which knows no log-outputs.
  if (request.version.startsWith('3.4.')) owned['logger'] = 'zap';
  if (join !== undefined) {
    owned['initial-cluster'] = join.initialCluster;
    owned['initial-cluster-token'] = join.token;
    owned['initial-cluster-state'] = join.state;
  }
  const all = { ...request.flags, ...owned };
  // The data dir's argument is looked for as a whole, so every flag is one argument.
  return Object.entries(all).map(([name, value]) => `--${name}=${value}`);
}

function flagProblem(name: string, value: string): string | undefined {
  if (!flagName.test(name)) return 'is not the name of a flag';
  if (value.includes('\0')) return 'holds a NUL byte';
  if (ownedFlags.has(name) || name.startsWith('discovery')) return 'is set by the agent';
  if (name === 'logger' && value !== 'zap') return 'must be zap, whose lines the agent keeps';
  if (name.endsWith('-file')) return 'names a file; the agent owns all files of a member';
  if (mutualTlsFlags.some((flag) => flag === name) && value !== 'true')
    return 'must stay true: traffic is always mutual TLS';
  return undefined;
}
