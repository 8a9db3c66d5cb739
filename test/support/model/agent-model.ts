import { isDeepStrictEqual } from 'node:util';
import { checkFlags } from '../../../src/agent/command-line.ts';
import type {
  AgentClient,
  AgentCommands,
  CertificateFacts,
  Fence,
  HostFacts,
  MemberFacts,
  ProcessFacts,
} from '../../../src/agent/wire.ts';
import { QuorateError } from '../../../src/base/errors.ts';
import type { TrustDomain } from '../../../src/spec/cluster-spec.ts';
import { install as installRestored, prepare, restoreFacts, stage } from './agent-restore.ts';
import type { Calls } from './calls.ts';
import { startProcess } from './host-process.ts';
import type { Oracle } from './oracle.ts';
import { digest, type PaperAuthority, type PaperLeaf, parse, render } from './paper-certificates.ts';
import type { HostState, TlsState, WorldState } from './state.ts';

export interface AgentParts {
  readonly state: WorldState;
  readonly calls: Calls;
  readonly oracle: Oracle;
  /** Lets happen what follows from a command. */
  readonly settle: () => void;
}

/** The agent of one host, with the refusals of the real one. */
export function agentModel(name: string, parts: AgentParts): AgentClient {
  const { state, calls } = parts;
  const reach = (): HostState => {
    const host = state.hosts[name];
    if (host !== undefined && host.isOn && !host.isAgentAway) return host;
    throw unreachable(name);
  };
  return {
    facts: () =>
      calls.call(
        `${name}: facts`,
        () => hostFacts(state, reach()),
        () => fault(name),
      ),
    logs: () =>
      calls.call(
        `${name}: logs`,
        () => reach().member.lastExit?.logTail ?? [],
        () => fault(name),
      ),
    commands: (_cluster, fence) => commandsOf(name, fence, reach, parts),
    close: async () => undefined,
  };
}

function commandsOf(name: string, fence: Fence, reach: () => HostState, parts: AgentParts): AgentCommands {
  const { state, calls, oracle, settle } = parts;
  const command = <T>(what: string, work: (host: HostState) => T): Promise<T> =>
    calls.call(
      `${name}: ${what}`,
      () => {
        const host = reach();
        if (fence.epoch < host.member.epoch)
          throw refused('stale-epoch', name, `epoch ${fence.epoch} is older than ${host.member.epoch}`);
        host.member.epoch = fence.epoch;
        host.member.isKnown = true;
        const result = work(host);
        settle();
        return result;
      },
      () => fault(name),
    );
  return {
    claim: () => command('claim', () => undefined),
    writeTrust: ({ domain, bundle }) =>
      command(`write-trust ${domain}`, (host) => {
        host.member.tls[domain].trust = [...parse<PaperAuthority>('authority', bundle)];
      }),
    createCsr: ({ domain, keyType }) =>
      command(`create-csr ${domain}`, (host) => {
        const key = digest(`key ${name} ${domain} ${state.nowMs} ${state.leavesIssued}`, 16);
        host.member.tls[domain].pendingKey = key;
        return render('request', { key, keyType });
      }),
    installCertificate: ({ domain, certificate }) =>
      command(`install-certificate ${domain}`, (host) => install(host, domain, certificate)),
    fetchBinary: (version) =>
      command(`fetch-binary ${version}`, () => ({ version, path: `/opt/etcd-v${version}/etcd`, source: '/opt' })),
    start: (request) =>
      command('start', (host): ProcessFacts => {
        const { member } = host;
        checkFlags(request.flags);
        if (member.process !== null) {
          const { join: _now, ...wanted } = request;
          const { join: _then, ...running } = member.request ?? request;
          if (!isDeepStrictEqual(wanted, running))
            throw refused('already-running', name, 'it runs with other settings');
          member.desired = 'run';
          return processFacts(host);
        }
        requireCertificates(host);
        oracle.beforeStart(host, request);
        startProcess(state, host, request);
        return processFacts(host);
      }),
    stop: () =>
      command('stop', (host) => {
        oracle.beforeStop(host);
        host.member.desired = 'stop';
        host.member.restartAtMs = null;
        host.member.process = null;
        return processFacts(host);
      }),
    archiveData: ({ reason }) =>
      command('archive-data', (host) => {
        const { member } = host;
        if (member.process !== null) throw refused('still-running', name, 'etcd runs on the data dir');
        member.desired = 'stop';
        member.restartAtMs = null;
        if (member.data === null) return null;
        oracle.beforeArchive(host);
        const archive = `orders-data-${state.nowMs}-${reason}`;
        member.archives.push({ name: archive, data: member.data });
        member.data = null;
        return archive;
      }),
    stageSnapshot: async ({ backup, sha256 }, archive) => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of archive) chunks.push(chunk);
      return command('stage-snapshot', (host) => stage(host, backup, sha256, Buffer.concat(chunks)));
    },
    prepareRestore: (request) => command('prepare-restore', (host) => prepare(host, request)),
    installRestored: ({ bootstrapId }) =>
      command('install-restored', (host) => installRestored(state, host, bootstrapId, oracle)),
  };
}

function install(host: HostState, domain: TrustDomain, text: string): CertificateFacts {
  const tls = host.member.tls[domain];
  const [leaf] = parse<PaperLeaf>('leaf', text);
  if (leaf === undefined || (leaf.fingerprint !== tls.leaf?.fingerprint && leaf.key !== tls.pendingKey))
    throw refused('no-pending-key', host.name, 'no key waits for this certificate');
  if (!tls.trust.some((authority) => authority.fingerprint === leaf.authority))
    throw refused('certificate-not-trusted', host.name, 'it does not chain to the trust on disk');
  tls.leaf = leaf;
  tls.pendingKey = null;
  return certificateFacts(tls, []);
}

function requireCertificates(host: HostState): void {
  const { peer, client } = host.member.tls;
  if ([peer, client].some((tls) => tls.leaf === null || tls.trust.length === 0))
    throw refused('certificate-missing', host.name, 'etcd would end at once');
}

function hostFacts(state: WorldState, host: HostState): HostFacts {
  return structuredClone({
    host: host.name,
    agentVersion: '0.1.0',
    nowMs: state.nowMs,
    disk: { freeBytes: 2 ** 35, totalBytes: 2 ** 36, fsyncMs: 1 },
    binaries: [],
    clusters: host.member.isKnown && !host.isAgentForgetful ? { orders: memberFacts(host) } : {},
  });
}

function memberFacts(host: HostState): MemberFacts {
  const { data, latched, tls, epoch, archives, process } = host.member;
  const certificates = (domain: TrustDomain): CertificateFacts | null =>
    tls[domain].leaf === null ? null : certificateFacts(tls[domain], process?.trustLoaded[domain] ?? []);
  return {
    process: processFacts(host),
    data: {
      state: data === null ? 'empty' : 'present',
      ...(data === null ? {} : { clusterId: data.clusterId, memberId: data.memberId }),
      archives: archives.map((archive) => archive.name),
    },
    latched,
    certificates: { peer: certificates('peer'), client: certificates('client') },
    epoch,
    restore: restoreFacts(host),
  };
}

function certificateFacts(tls: TlsState, trustLoaded: readonly string[]): CertificateFacts {
  const leaf = tls.leaf;
  if (leaf === null) throw new Error('there is no leaf');
  const { fingerprint, serial, issuer, sans, notBeforeMs, notAfterMs, keyType } = leaf;
  const trust = tls.trust.map((authority) => authority.fingerprint);
  return { fingerprint, serial, issuer, sans, notBeforeMs, notAfterMs, keyType, trust, trustLoaded };
}

function processFacts(host: HostState): ProcessFacts {
  const { process, request, restarts, restartAtMs, lastExit } = host.member;
  const down = restartAtMs !== null ? 'crashed' : request === null ? 'absent' : 'stopped';
  return {
    state: process !== null ? 'running' : down,
    ...(process === null ? {} : { pid: process.pid, startedAtMs: process.startedAtMs }),
    ...(request === null ? {} : { version: request.version, flags: request.flags }),
    restarts,
    ...(lastExit === null ? {} : { lastExit }),
  };
}

function refused(code: string, host: string, summary: string): QuorateError {
  return new QuorateError({ code, kind: 'refused', operation: `command to ${host}`, summary });
}

function unreachable(host: string): QuorateError {
  return new QuorateError({
    code: 'agent-unreachable',
    kind: 'transient',
    operation: `ask the agent of ${host}`,
    summary: 'connect ECONNREFUSED',
  });
}

function fault(host: string): never {
  throw unreachable(host);
}
