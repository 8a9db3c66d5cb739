import { compareVersions, minorOf } from './releases.ts';

/** How etcd parses the value. Durations are Go's (`1m30s`); `uint` and `int` are decimal. */
export type FlagType = 'bool' | 'int' | 'uint' | 'duration' | 'string';

export interface EtcdFlag {
  /** The current name, without dashes. */
  readonly name: string;
  readonly type: FlagType;
  /** The first release of every minor that knows the flag by its current name; `3.5` means all of 3.5. */
  readonly releases: readonly string[];
  /** The same for `experimental-<name>`, in minors that know the flag by that name only. */
  readonly experimentalReleases: readonly string[];
}

function flag(name: string, type: FlagType, releases: string, experimentalReleases = ''): EtcdFlag {
  const list = (text: string) => text.split(' ').filter((release) => release !== '');
  return { name, type, releases: list(releases), experimentalReleases: list(experimentalReleases) };
}

/** Every flag of etcd 3.4.0 to 3.7.1, read from the flag sets in the sources of each patch release. */
export const flagInventory: readonly EtcdFlag[] = [
  flag('advertise-client-urls', 'string', '3.4 3.5 3.6 3.7'),
  flag('auth-token', 'string', '3.4 3.5 3.6 3.7'),
  flag('auth-token-ttl', 'uint', '3.4.10 3.5 3.6 3.7'),
  flag('auto-compaction-mode', 'string', '3.4 3.5 3.6 3.7'),
  flag('auto-compaction-retention', 'string', '3.4 3.5 3.6 3.7'),
  flag('auto-tls', 'bool', '3.4 3.5 3.6 3.7'),
  flag('backend-batch-interval', 'duration', '3.4 3.5 3.6 3.7'),
  flag('backend-batch-limit', 'int', '3.4 3.5 3.6 3.7'),
  flag('backend-bbolt-freelist-type', 'string', '3.5 3.6 3.7', '3.4'),
  flag('bcrypt-cost', 'uint', '3.4 3.5 3.6 3.7'),
  flag('bootstrap-defrag-threshold-megabytes', 'uint', '3.6 3.7', '3.5'),
  flag('cert-file', 'string', '3.4 3.5 3.6 3.7'),
  flag('cipher-suites', 'string', '3.4 3.5 3.6 3.7'),
  flag('client-cert-allowed-hostname', 'string', '3.4 3.5 3.6 3.7'),
  flag('client-cert-auth', 'bool', '3.4 3.5 3.6 3.7'),
  flag('client-cert-file', 'string', '3.5 3.6 3.7'),
  flag('client-crl-file', 'string', '3.4 3.5 3.6 3.7'),
  flag('client-key-file', 'string', '3.5 3.6 3.7'),
  flag('compact-hash-check-time', 'duration', '3.6 3.7', '3.5.5'),
  flag('compaction-batch-limit', 'int', '3.6 3.7', '3.4 3.5'),
  flag('compaction-sleep-interval', 'duration', '3.6 3.7', '3.5.16'),
  flag('config-file', 'string', '3.4 3.5 3.6 3.7'),
  flag('corrupt-check-time', 'duration', '3.6 3.7', '3.4 3.5'),
  flag('cors', 'string', '3.4 3.5 3.6 3.7'),
  flag('data-dir', 'string', '3.4 3.5 3.6 3.7'),
  flag('debug', 'bool', '3.4'),
  flag('discovery', 'string', '3.4 3.5 3.6'),
  flag('discovery-cacert', 'string', '3.6 3.7'),
  flag('discovery-cert', 'string', '3.6 3.7'),
  flag('discovery-dial-timeout', 'duration', '3.6 3.7'),
  flag('discovery-endpoints', 'string', '3.6 3.7'),
  flag('discovery-fallback', 'string', '3.4 3.5 3.6 3.7'),
  flag('discovery-insecure-skip-tls-verify', 'bool', '3.6 3.7'),
  flag('discovery-insecure-transport', 'bool', '3.6 3.7'),
  flag('discovery-keepalive-time', 'duration', '3.6 3.7'),
  flag('discovery-keepalive-timeout', 'duration', '3.6 3.7'),
  flag('discovery-key', 'string', '3.6 3.7'),
  flag('discovery-password', 'string', '3.6 3.7'),
  flag('discovery-proxy', 'string', '3.4 3.5 3.6'),
  flag('discovery-request-timeout', 'duration', '3.6 3.7'),
  flag('discovery-srv', 'string', '3.4 3.5 3.6 3.7'),
  flag('discovery-srv-name', 'string', '3.4 3.5 3.6 3.7'),
  flag('discovery-token', 'string', '3.6 3.7'),
  flag('discovery-user', 'string', '3.6 3.7'),
  flag('distributed-tracing-address', 'string', '3.6 3.7', '3.5'),
  flag('distributed-tracing-instance-id', 'string', '3.6 3.7', '3.5'),
  flag('distributed-tracing-sampling-rate', 'int', '3.6 3.7', '3.5.11'),
  flag('distributed-tracing-service-name', 'string', '3.6 3.7', '3.5'),
  flag('downgrade-check-time', 'duration', '3.6 3.7', '3.5'),
  flag('election-timeout', 'uint', '3.4 3.5 3.6 3.7'),
  flag('enable-distributed-tracing', 'bool', '3.6 3.7', '3.5'),
  flag('enable-grpc-gateway', 'bool', '3.4 3.5 3.6 3.7'),
  flag('enable-log-rotation', 'bool', '3.5 3.6 3.7'),
  flag('enable-pprof', 'bool', '3.4 3.5 3.6 3.7'),
  flag('enable-v2', 'bool', '3.4 3.5'),
  flag('experimental-compact-hash-check-enabled', 'bool', '3.5.5 3.6'),
  flag('experimental-enable-lease-checkpoint', 'bool', '3.4 3.5 3.6'),
  flag('experimental-enable-lease-checkpoint-persist', 'bool', '3.4.20 3.5.2 3.6'),
  flag('experimental-enable-v2v3', 'string', '3.4 3.5'),
  flag('experimental-initial-corrupt-check', 'bool', '3.4 3.5 3.6'),
  flag('experimental-stop-grpc-service-on-defrag', 'bool', '3.5.14 3.6'),
  flag('experimental-txn-mode-write-with-shared-buffer', 'bool', '3.5 3.6'),
  flag('feature-gates', 'string', '3.6 3.7'),
  flag('force-new-cluster', 'bool', '3.4 3.5 3.6 3.7'),
  flag('grpc-keepalive-interval', 'duration', '3.4 3.5 3.6 3.7'),
  flag('grpc-keepalive-min-time', 'duration', '3.4 3.5 3.6 3.7'),
  flag('grpc-keepalive-timeout', 'duration', '3.4 3.5 3.6 3.7'),
  flag('heartbeat-interval', 'uint', '3.4 3.5 3.6 3.7'),
  flag('host-whitelist', 'string', '3.4 3.5 3.6 3.7'),
  flag('initial-advertise-peer-urls', 'string', '3.4 3.5 3.6 3.7'),
  flag('initial-cluster', 'string', '3.4 3.5 3.6 3.7'),
  flag('initial-cluster-state', 'string', '3.4 3.5 3.6 3.7'),
  flag('initial-cluster-token', 'string', '3.4 3.5 3.6 3.7'),
  flag('initial-election-tick-advance', 'bool', '3.4 3.5 3.6 3.7'),
  flag('key-file', 'string', '3.4 3.5 3.6 3.7'),
  flag('listen-client-http-urls', 'string', '3.4.25 3.5.8 3.6 3.7'),
  flag('listen-client-urls', 'string', '3.4 3.5 3.6 3.7'),
  flag('listen-metrics-urls', 'string', '3.4 3.5 3.6 3.7'),
  flag('listen-peer-urls', 'string', '3.4 3.5 3.6 3.7'),
  flag('log-format', 'string', '3.6 3.7'),
  flag('log-level', 'string', '3.4 3.5 3.6 3.7'),
  flag('log-output', 'string', '3.4'),
  flag('log-outputs', 'string', '3.4 3.5 3.6 3.7'),
  flag('log-package-levels', 'string', '3.4'),
  flag('log-rotation-config-json', 'string', '3.5 3.6 3.7'),
  flag('logger', 'string', '3.4 3.5 3.6 3.7'),
  flag('max-concurrent-streams', 'uint', '3.4.20 3.5.5 3.6 3.7'),
  flag('max-learners', 'int', '3.6 3.7'),
  flag('max-request-bytes', 'uint', '3.4 3.5 3.6 3.7'),
  flag('max-snapshots', 'uint', '3.4 3.5 3.6 3.7'),
  flag('max-txn-ops', 'uint', '3.4 3.5 3.6 3.7'),
  flag('max-wals', 'uint', '3.4 3.5 3.6 3.7'),
  flag('memory-mlock', 'bool', '3.6 3.7', '3.5'),
  flag('metrics', 'string', '3.4 3.5 3.6 3.7'),
  flag('name', 'string', '3.4 3.5 3.6 3.7'),
  flag('next-cluster-version-compatible', 'bool', '3.4.31'),
  flag('peer-auto-tls', 'bool', '3.4 3.5 3.6 3.7'),
  flag('peer-cert-allowed-cn', 'string', '3.4 3.5 3.6 3.7'),
  flag('peer-cert-allowed-hostname', 'string', '3.4 3.5 3.6 3.7'),
  flag('peer-cert-file', 'string', '3.4 3.5 3.6 3.7'),
  flag('peer-client-cert-auth', 'bool', '3.4 3.5 3.6 3.7'),
  flag('peer-client-cert-file', 'string', '3.5 3.6 3.7'),
  flag('peer-client-key-file', 'string', '3.5 3.6 3.7'),
  flag('peer-crl-file', 'string', '3.4 3.5 3.6 3.7'),
  flag('peer-key-file', 'string', '3.4 3.5 3.6 3.7'),
  flag('peer-skip-client-san-verification', 'bool', '3.6 3.7', '3.4 3.5'),
  flag('peer-trusted-ca-file', 'string', '3.4 3.5 3.6 3.7'),
  flag('pre-vote', 'bool', '3.4 3.5 3.6 3.7'),
  flag('proxy', 'string', '3.4 3.5'),
  flag('proxy-dial-timeout', 'uint', '3.4 3.5'),
  flag('proxy-failure-wait', 'uint', '3.4 3.5'),
  flag('proxy-read-timeout', 'uint', '3.4 3.5'),
  flag('proxy-refresh-interval', 'uint', '3.4 3.5'),
  flag('proxy-write-timeout', 'uint', '3.4 3.5'),
  flag('quota-backend-bytes', 'int', '3.4 3.5 3.6 3.7'),
  flag('raft-read-timeout', 'duration', '3.5 3.6 3.7'),
  flag('raft-write-timeout', 'duration', '3.5 3.6 3.7'),
  flag('self-signed-cert-validity', 'uint', '3.5 3.6 3.7'),
  flag('snapshot-catchup-entries', 'uint', '3.6 3.7', '3.5.14'),
  flag('snapshot-count', 'uint', '3.4 3.5 3.6 3.7'),
  flag('socket-reuse-address', 'bool', '3.5 3.6 3.7'),
  flag('socket-reuse-port', 'bool', '3.5 3.6 3.7'),
  flag('strict-reconfig-check', 'bool', '3.4 3.5 3.6 3.7'),
  flag('tls-max-version', 'string', '3.4.25 3.5.8 3.6 3.7'),
  flag('tls-min-version', 'string', '3.4.25 3.5.8 3.6 3.7'),
  flag('trusted-ca-file', 'string', '3.4 3.5 3.6 3.7'),
  flag('unsafe-no-fsync', 'bool', '3.4.10 3.5 3.6 3.7'),
  flag('v2-deprecation', 'string', '3.5 3.6 3.7'),
  flag('version', 'bool', '3.4 3.5 3.6 3.7'),
  flag('wal-dir', 'string', '3.4 3.5 3.6 3.7'),
  flag('warning-apply-duration', 'duration', '3.6 3.7', '3.4.16 3.5'),
  flag('warning-unary-request-duration', 'duration', '3.6 3.7'),
  flag('watch-progress-notify-interval', 'duration', '3.6 3.7', '3.4.11 3.5'),
];

export interface FeatureGate {
  readonly name: string;
  /** The first release of every minor that has the gate. */
  readonly releases: readonly string[];
  /** The flag that did the same before gates came with 3.6. */
  readonly experimental?: string | undefined;
}

function gate(name: string, releases: string, experimental?: string): FeatureGate {
  return { name, releases: releases.split(' '), experimental };
}

/** Values of `--feature-gates`, from `server/features` of 3.6 and 3.7. */
export const featureGates: readonly FeatureGate[] = [
  gate('AllAlpha', '3.6 3.7'),
  gate('AllBeta', '3.6 3.7'),
  gate('CompactHashCheck', '3.6 3.7', 'experimental-compact-hash-check-enabled'),
  gate('FastLeaseKeepAlive', '3.7'),
  gate('InitialCorruptCheck', '3.6 3.7', 'experimental-initial-corrupt-check'),
  gate('LeaseCheckpoint', '3.6 3.7', 'experimental-enable-lease-checkpoint'),
  gate('LeaseCheckpointPersist', '3.6 3.7', 'experimental-enable-lease-checkpoint-persist'),
  gate('PriorityRequest', '3.7'),
  gate('SetMemberLocalAddr', '3.6 3.7'),
  gate('StopGRPCServiceOnDefrag', '3.6 3.7', 'experimental-stop-grpc-service-on-defrag'),
  gate('TxnModeWriteWithSharedBuffer', '3.6 3.7', 'experimental-txn-mode-write-with-shared-buffer'),
];

const newestMinor = '3.7';

/** Whether a list of first releases holds for a version. A minor newer than the tables counts as the newest one. */
export function isInRelease(releases: readonly string[], version: string): boolean {
  const minor = minorOf(version);
  const isNewer = compareVersions(`${minor}.0`, `${newestMinor}.0`) > 0;
  const release = releases.find((candidate) => {
    const [major, minorNumber] = candidate.split('.');
    return `${major}.${minorNumber}` === (isNewer ? newestMinor : minor);
  });
  if (release === undefined) return false;
  const patch = release.split('.')[2] ?? '0';
  return isNewer || compareVersions(version, `${minor}.${patch}`) >= 0;
}

/** The name under which a release takes a flag that is given by its current name; undefined when it has none. */
export function nameInRelease(entry: EtcdFlag, version: string): string | undefined {
  if (isInRelease(entry.releases, version)) return entry.name;
  if (isInRelease(entry.experimentalReleases, version)) return `experimental-${entry.name}`;
  return undefined;
}

/** Every flag that a release takes, by the name that it takes. */
export function flagsOfRelease(version: string): ReadonlyMap<string, EtcdFlag> {
  const entries = flagInventory.flatMap((entry): [string, EtcdFlag][] => {
    const name = nameInRelease(entry, version);
    return name === undefined ? [] : [[name, entry]];
  });
  return new Map(entries);
}
