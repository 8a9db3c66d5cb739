import { join } from 'node:path';
import type { TrustDomain } from '../spec/cluster-spec.ts';

/** What a cluster's name may look like; the same rule as in the cluster spec, checked again before it becomes a path. */
export const clusterNamePattern = '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$';

const clusterName = new RegExp(clusterNamePattern);

export function isClusterName(text: string): boolean {
  return clusterName.test(text);
}

/** Where the agent keeps what belongs to one cluster. Folders are 0700, files 0600. */
export interface MemberPaths {
  readonly root: string;
  /** etcd's data dir; made by etcd. */
  readonly data: string;
  readonly tls: string;
  readonly logs: string;
  /** What etcd prints; rotated ones are `etcd.log.1` (newest) and up. */
  readonly logFile: string;
  /** Whether the member is meant to run, and how. */
  readonly memberFile: string;
  /** The claim on the running process. */
  readonly pidFile: string;
  /** Identity of the member that last ran here. */
  readonly latchFile: string;
  /** Newest fencing epoch. */
  readonly fenceFile: string;
  /** What lies ready for a restore; only there while one goes on. */
  readonly restore: string;
}

export function clustersFolder(dataDir: string): string {
  return join(dataDir, 'clusters');
}

/** Archived data dirs of all clusters. */
export function archivesFolder(dataDir: string): string {
  return join(dataDir, 'archives');
}

export function memberPaths(dataDir: string, cluster: string): MemberPaths {
  const root = join(clustersFolder(dataDir), cluster);
  const logs = join(root, 'logs');
  return {
    root,
    data: join(root, 'data'),
    tls: join(root, 'tls'),
    logs,
    logFile: join(logs, 'etcd.log'),
    memberFile: join(root, 'member.json'),
    pidFile: join(root, 'pid.json'),
    latchFile: join(root, 'latch.json'),
    fenceFile: join(root, 'fence.json'),
    restore: join(root, 'restore'),
  };
}

/** The files of one trust domain. The leaf and its key share one file, so that they are replaced together. */
export interface TlsPaths {
  /** Leaf, its chain and its key. */
  readonly leaf: string;
  readonly previousLeaf: string;
  /** Key of the last CSR, until its certificate is installed. */
  readonly pendingKey: string;
  readonly trust: string;
}

export function tlsPaths(folder: string, domain: TrustDomain): TlsPaths {
  return {
    leaf: join(folder, `${domain}.pem`),
    previousLeaf: join(folder, `${domain}.pem.previous`),
    pendingKey: join(folder, `${domain}.next.key`),
    trust: join(folder, `${domain}-ca.pem`),
  };
}
