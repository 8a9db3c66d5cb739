import type { Clock } from '../base/clock.ts';
import { QuorateError } from '../base/errors.ts';
import type { Binaries } from '../etcd/binaries.ts';
import type { Member } from './member.ts';
import type { Members } from './members.ts';
import type { AgentService } from './server.ts';
import type {
  ArchiveRequest,
  BinaryFact,
  CsrRequest,
  HostFacts,
  InstallCertificateRequest,
  InstallRestoredRequest,
  PrepareRestoreRequest,
  StartRequest,
  StopRequest,
  TrustRequest,
} from './wire.ts';
import type { CommandName } from './wire-schemas.ts';

export interface ServiceParts {
  readonly host: string;
  readonly agentVersion: string;
  readonly members: Members;
  readonly binaries: Binaries;
  readonly disk: () => Promise<HostFacts['disk']>;
  readonly clock: Clock;
  readonly lifetime: AbortSignal;
}

/** The bodies by command, which the server has checked against the schemas of the same names. */
interface Bodies {
  readonly claim: object;
  readonly 'write-trust': TrustRequest;
  readonly 'create-csr': CsrRequest;
  readonly 'install-certificate': InstallCertificateRequest;
  readonly 'fetch-binary': { readonly version: string };
  readonly start: StartRequest;
  readonly stop: StopRequest;
  readonly 'archive-data': ArchiveRequest;
  readonly 'prepare-restore': PrepareRestoreRequest;
  readonly 'install-restored': InstallRestoredRequest;
}

type Handlers = { readonly [Name in CommandName]: (member: Member, body: Bodies[Name]) => Promise<unknown> };

/** What each command does to a member, and how its result looks in JSON. */
const handlers: Omit<Handlers, 'fetch-binary' | 'prepare-restore'> = {
  claim: async () => ({}),
  'write-trust': async (member, body) => {
    await member.tls.writeTrust(body);
    return {};
  },
  'create-csr': async (member, body) => ({ csr: await member.tls.createCsr(body) }),
  'install-certificate': (member, body) => member.tls.install(body),
  start: (member, body) => member.start(body),
  stop: (member, body) => member.stop(body),
  'archive-data': async (member, body) => ({ archive: await member.archiveData(body) }),
  'install-restored': (member, body) => member.installRestored(body.bootstrapId),
};

export function createService(parts: ServiceParts): AgentService {
  const { host, agentVersion, members, binaries, disk, clock, lifetime } = parts;
  return {
    host,
    facts: async (cluster) => ({
      host,
      agentVersion,
      nowMs: clock.now(),
      disk: await disk(),
      binaries: await binaries.list(),
      clusters: await members.facts(cluster),
    }),
    logs: async (cluster, lines) => {
      const member = await members.find(cluster);
      if (member !== undefined) return member.logs(lines);
      throw new QuorateError({
        code: 'unknown-cluster',
        kind: 'invalid',
        operation: `read the log of ${cluster}`,
        summary: `host ${host} has never had to do with cluster ${cluster}`,
        remedy: 'Check the name of the cluster and of the host.',
      });
    },
    stageSnapshot: async (cluster, request, archive, fence) => {
      const member = await members.open(cluster);
      await member.aside(fence, () => member.restore.stage(fence, request, archive));
    },
    command: async (cluster, command, body, fence) => {
      const member = await members.open(cluster);
      if (command === 'prepare-restore') {
        return member.aside(fence, () => member.restore.prepare(fence, body as Bodies['prepare-restore']));
      }
      if (command !== 'fetch-binary') {
        const handler = handlers[command] as (member: Member, body: unknown) => Promise<unknown>;
        return member.command(fence, () => handler(member, body));
      }
      // A fetch may take minutes and changes no member, so a stop does not have to wait for it.
      return member.aside(fence, async () => {
        const fetched = await binaries.ensure((body as Bodies['fetch-binary']).version, lifetime);
        return { version: fetched.version, path: fetched.etcd, source: fetched.source } satisfies BinaryFact;
      });
    },
  };
}
