import type { CertificateFacts, MemberFacts } from '../../../src/agent/wire.ts';
import type { RunRecord } from '../../../src/backup/runs.ts';
import { known, unknown } from '../../../src/base/observation.ts';
import type { LiveHost, LiveMember, LiveState } from '../../../src/observe/live-state.ts';
import type { ClusterStatusInput } from '../../../src/report/status-input.ts';
import type { ClusterSpec } from '../../../src/spec/cluster-spec.ts';
import { loadSpecs } from '../../../src/spec/load.ts';
import { goodSpec } from '../spec/good-spec.ts';
import { commit, planWith } from './plans.ts';

export const nowMs = Date.UTC(2026, 10, 20, 16, 0, 0);
const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;

const loaded = loadSpecs([{ path: 'clusters/orders.yaml', content: Buffer.from(goodSpec) }]);

export function spec(): ClusterSpec {
  const first = loaded.specs[0]?.spec;
  if (first === undefined) throw new Error(`the good spec does not load: ${JSON.stringify(loaded.diagnostics)}`);
  return first;
}

function leaf(notAfterMs: number): CertificateFacts {
  return {
    fingerprint: 'f'.repeat(64),
    serial: '01',
    issuer: 'CN=peer-1',
    sans: [],
    notBeforeMs: nowMs - dayMs,
    notAfterMs,
    keyType: 'ecdsa-p256',
    trust: [],
    trustLoaded: [],
  };
}

function host(name: string, leafDays: number): LiveHost {
  const facts: MemberFacts = {
    process: { state: 'running', restarts: 0 },
    data: { state: 'present', archives: [] },
    latched: null,
    certificates: { peer: leaf(nowMs + leafDays * dayMs), client: leaf(nowMs + 80 * dayMs) },
    epoch: 1,
    restore: { staged: null, prepared: null },
  };
  const disk = { freeBytes: 1, totalBytes: 2, fsyncMs: 1 };
  const seen = known({ host: { nowMs, disk, binaries: [], agentVersion: '0.1.0' }, member: facts });
  return { name, agent: `https://${name}:7001`, address: name, declared: true, facts: seen };
}

export function member(name: string, id: string): LiveMember {
  const status = {
    clusterId: 'cdf818194e3a8c32',
    memberId: id,
    version: '3.5.33',
    dbSizeBytes: 20_480,
    dbSizeInUseBytes: 20_480,
    leaderId: 'aa',
    raftTerm: 2,
    raftIndex: 9,
    raftAppliedIndex: 9,
    revision: 42,
    isLearner: false,
    errors: [],
  };
  return {
    id,
    name,
    host: name,
    peerUrls: [],
    clientUrls: [],
    isLearner: false,
    status: known(status),
    health: known({ presented: { fingerprint: 'f', serial: '01', notAfterMs: nowMs } }),
  };
}

export function sick(sound: LiveMember): LiveMember {
  return { ...sound, health: unknown('connection refused'), status: unknown('connection refused') };
}

/** Three healthy members, a verified backup twelve minutes old, and the first certificate to end in thirty days. */
export function live(fields: Partial<LiveState> = {}): LiveState {
  const members = [member('c', 'cc'), member('a', 'aa'), member('b', 'bb')];
  const proof = {
    formatVersion: '1.0' as const,
    sha256: 'e'.repeat(64),
    sizeBytes: 1,
    dbSizeBytes: 1,
    revision: 1,
    hash: 1,
    clusterId: 'cdf818194e3a8c32',
    source: 'b',
    members: [],
    reason: 'before-change',
    commit,
    run: null,
    verifiedAtMs: nowMs - 11 * minuteMs,
  };
  return {
    cluster: 'orders',
    observedAtMs: nowMs,
    hosts: [host('a', 60), host('b', 30), host('c', 60)],
    etcd: known({ clusterId: 'cdf818194e3a8c32', members, leaderId: 'aa', alarms: [] }),
    record: known(null),
    backups: known([
      {
        name: '2026-11-20T15:48:00Z-000001',
        takenAtMs: nowMs - 12 * minuteMs,
        etcdVersion: '3.5.33',
        memberCount: 3,
        proof,
      },
    ]),
    authorities: known({}),
    ...fields,
  };
}

export function runRecord(fields: Partial<RunRecord> = {}): RunRecord {
  const startedAtMs = nowMs - 10 * minuteMs;
  const step = {
    id: '1',
    action: 'backup',
    target: 'b',
    startedAtMs,
    endedAtMs: startedAtMs + 900,
    outcome: 'done' as const,
  };
  return {
    formatVersion: '1.0',
    cluster: 'orders',
    commit,
    digest: `sha256:${'9'.repeat(64)}`,
    actor: 'controller',
    epoch: 3,
    startedAtMs,
    endedAtMs: startedAtMs + 4200,
    outcome: 'done',
    steps: [step],
    ...fields,
  };
}

export function inputWith(fields: Partial<ClusterStatusInput> = {}): ClusterStatusInput {
  return {
    name: 'orders',
    commit,
    diagnostics: [],
    isOrphaned: false,
    loop: { result: 'pass', atMs: nowMs - minuteMs, error: null },
    spec: spec(),
    live: live(),
    backups: { coveredUntilMs: nowMs - 12 * minuteMs, checkedAtMs: undefined, lastDrill: undefined, damaged: [] },
    plan: planWith({}),
    lastRun: runRecord(),
    ...fields,
  };
}
