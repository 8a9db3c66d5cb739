import { formatTime } from '../base/clock.ts';
import { redact } from '../base/redact.ts';
import { isHealthy, type LiveState } from '../observe/live-state.ts';
import type { BackupStatus, CertificateStatus, DrillStatus, MemberStatus } from './status.generated.ts';
import type { BackupReport } from './status-input.ts';

/** As etcd says it; while no quorum answers, as the record has it. */
export function clusterIdOf({ etcd, record }: LiveState): string | null {
  if (etcd.known) return etcd.value.clusterId;
  return record.known ? (record.value?.record.clusterId ?? null) : null;
}

/** By host, then id; members on no known host last. */
export function membersOf({ etcd }: LiveState): readonly MemberStatus[] {
  if (!etcd.known) return [];
  const { members, leaderId } = etcd.value;
  return members
    .map((member): MemberStatus => {
      const status = member.status.known ? member.status.value : undefined;
      return {
        host: member.host,
        id: member.id,
        role: member.isLearner ? 'learner' : member.id === leaderId ? 'leader' : 'follower',
        healthy: isHealthy(member),
        version: status?.version ?? null,
        dbSizeBytes: status?.dbSizeBytes ?? null,
        revision: status?.revision ?? null,
      };
    })
    .toSorted(
      (a, b) =>
        Number(a.host === null) - Number(b.host === null) || inOrder(a.host ?? '', b.host ?? '') || inOrder(a.id, b.id),
    );
}

export function lastBackupOf(
  { backups, observedAtMs }: LiveState,
  report: BackupReport | undefined,
): BackupStatus | null {
  const newest = backups.known ? backups.value[0] : undefined;
  if (newest === undefined) return null;
  const { name, takenAtMs, proof } = newest;
  const checkedAtMs = report?.checkedAtMs ?? 0;
  return {
    name,
    at: formatTime(takenAtMs),
    verified: proof !== undefined,
    // Clocks of two machines may differ.
    ageMs: Math.max(0, Math.round(observedAtMs - takenAtMs)),
    sizeBytes: proof?.sizeBytes ?? null,
    dbSizeBytes: proof?.dbSizeBytes ?? null,
    revision: proof?.revision ?? null,
    checkedAt: checkedAtMs > takenAtMs ? formatTime(checkedAtMs) : null,
  };
}

export function lastDrillOf(report: BackupReport | undefined): DrillStatus | null {
  if (report?.lastDrill === undefined) return null;
  const { backup, endedAtMs, outcome, problem } = report.lastDrill;
  return { backup, at: formatTime(endedAtMs), outcome, problem: problem === null ? null : redact(problem) };
}

/** Of members; of every host that has data while nobody can say who is a member. */
export function certificatesOf({ etcd, hosts }: LiveState): readonly CertificateStatus[] {
  return hosts
    .flatMap((host) => {
      if (!host.facts.known) return [];
      const { certificates, data } = host.facts.value.member;
      const isMember = etcd.known
        ? etcd.value.members.some((member) => member.host === host.name)
        : data.state === 'present';
      if (!isMember) return [];
      return (['client', 'peer'] as const).flatMap((domain): CertificateStatus[] => {
        const leaf = certificates[domain];
        if (leaf === null) return [];
        const { fingerprint, issuer, notAfterMs } = leaf;
        return [{ host: host.name, domain, fingerprint, issuer, notAfterMs }];
      });
    })
    .toSorted((a, b) => inOrder(a.host, b.host) || inOrder(a.domain, b.domain));
}

function inOrder(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
