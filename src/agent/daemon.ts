import { setMaxListeners } from 'node:events';
import { readFile, realpath } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { FastifyInstance } from 'fastify';
import type { Clock } from '../base/clock.ts';
import { asQuorateError, describeError } from '../base/errors.ts';
import { ensureFolder } from '../base/files.ts';
import type { Logger } from '../base/log.ts';
import type { Binaries } from '../etcd/binaries.ts';
import { type PruneRules, pruneArchives } from './archives.ts';
import { type BackoffOptions, crashBackoff } from './backoff.ts';
import { startChores } from './caretaker.ts';
import { createDiskProbe } from './disk.ts';
import { type IdentityFiles, isSameIdentity, readIdentity } from './identity.ts';
import { lockDataDir } from './instance-lock.ts';
import { logRotation, type RotationOptions } from './log-file.ts';
import { Members } from './members.ts';
import { archivesFolder } from './paths.ts';
import { createProcessRuntime } from './process-runtime.ts';
import { createAgentServer, renewIdentity } from './server.ts';
import { createService } from './service.ts';
import { storageError } from './state-file.ts';

/** The part of the configuration that the daemon itself needs. */
export interface AgentSettings {
  /** Name of the host, as cluster specs call it. */
  readonly name: string;
  /** Port 0 takes a free one. */
  readonly listen: { readonly host: string; readonly port: number };
  readonly dataDir: string;
  readonly identity: IdentityFiles;
  readonly archives: PruneRules;
}

/** How often things are looked after; the defaults suit a host, tests are in more of a hurry. */
export interface AgentTuning {
  readonly backoff: BackoffOptions;
  readonly rotation: RotationOptions;
  readonly rotateEveryMs: number;
  readonly identityEveryMs: number;
  readonly pruneEveryMs: number;
  readonly staleRestoresEveryMs: number;
}

const defaultTuning: AgentTuning = {
  backoff: crashBackoff,
  rotation: logRotation,
  rotateEveryMs: 10_000,
  identityEveryMs: 5000,
  pruneEveryMs: 86_400_000,
  staleRestoresEveryMs: 3_600_000,
};

export interface AgentParts {
  readonly config: AgentSettings;
  readonly binaries: Binaries;
  readonly clock: Clock;
  readonly log: Logger;
  readonly tuning?: Partial<AgentTuning> | undefined;
}

export interface RunningAgent {
  /** `https://address:port`, with the port that was taken. */
  readonly url: string;
  /** Stops the agent and leaves etcd running. */
  close(): Promise<void>;
}

/**
 * Starts the agent of a host: takes over the members that run, answers requests, then starts the members
 * that should run and do not. Under systemd its unit needs `KillMode=process`, or a stop of the agent ends etcd
 * too. Throws `data-dir-in-use`, `state-unreadable`, `identity-unreadable`, `listen-failed`.
 */
export async function startAgent(parts: AgentParts): Promise<RunningAgent> {
  const { config, binaries, clock, log } = parts;
  const tuning = { ...defaultTuning, ...parts.tuning };
  const dataDir = await openDataDir(config.dataDir);
  const unlock = await lockDataDir(dataDir);
  const ending = new AbortController();
  // Every member, wait and chore listens for the end.
  setMaxListeners(0, ending.signal);
  try {
    const runtime = createProcessRuntime(clock);
    const context = { dataDir, runtime, binaries, clock, log, lifetime: ending.signal, backoff: tuning.backoff };
    const members = await Members.load(context);
    const service = createService({
      host: config.name,
      agentVersion: await ownVersion(),
      members,
      binaries,
      disk: createDiskProbe(dataDir, clock),
      clock,
      lifetime: ending.signal,
    });
    const server = createAgentServer(service, await readIdentity(config.identity), log);
    const url = await listen(server, config.listen);
    log.info({ url }, 'agent listens');
    // In the background, one cluster beside the other: nobody waits for a release that has to be fetched first.
    const resuming = (await members.all()).map((member) => member.resume());
    const chores = startChores(
      [
        { name: 'rotate logs', everyMs: tuning.rotateEveryMs, run: () => rotateAll(members, tuning.rotation) },
        {
          name: 'renew identity',
          everyMs: tuning.identityEveryMs,
          run: identityReloader(server, config.identity, log),
        },
        {
          name: 'prune archives',
          everyMs: tuning.pruneEveryMs,
          run: async () => {
            await pruneArchives(archivesFolder(dataDir), config.archives, clock.now(), log);
          },
        },
        {
          name: 'remove stale restores',
          everyMs: tuning.staleRestoresEveryMs,
          run: async () => {
            for (const member of await members.all()) await member.restore.removeStale();
          },
        },
      ],
      clock,
      log,
      ending.signal,
    );
    return {
      url,
      close: async () => {
        ending.abort();
        await closeServer(server);
        await Promise.all([chores, ...resuming]);
        for (const member of await members.all()) await member.restore.idle();
        await unlock();
      },
    };
  } catch (error) {
    ending.abort();
    await unlock();
    throw error;
  }
}

/** Links are resolved, so that a process is found again by its data dir however the agent is started next time. */
async function openDataDir(path: string): Promise<string> {
  try {
    await ensureFolder(path);
    return await realpath(resolve(path));
  } catch (error) {
    throw storageError(error, `open the data dir ${path}`);
  }
}

async function rotateAll(members: Members, rotation: RotationOptions): Promise<void> {
  for (const member of await members.all()) await member.rotateLogs(rotation);
}

/** Puts a renewed certificate into use for new connections; one that does not fit its key leaves the old one in use. */
function identityReloader(server: FastifyInstance, files: IdentityFiles, log: Logger): () => Promise<void> {
  let current: Awaited<ReturnType<typeof readIdentity>> | undefined;
  return async () => {
    const read = await readIdentity(files);
    if (current !== undefined && isSameIdentity(current, read)) return;
    renewIdentity(server, read);
    if (current !== undefined) log.info({}, 'the certificate of the agent was renewed');
    current = read;
  };
}

async function listen(server: FastifyInstance, address: AgentSettings['listen']): Promise<string> {
  try {
    return await server.listen({ host: address.host, port: address.port });
  } catch (error) {
    throw asQuorateError(error, {
      code: 'listen-failed',
      kind: 'stalled',
      operation: `listen on port ${address.port} of ${address.host}`,
      remedy: 'Check that the address is one of this host and that no other program uses the port.',
    });
  }
}

/** Requests that are being answered get a moment, then connections are cut; etcd does not notice. */
async function closeServer(server: FastifyInstance): Promise<void> {
  const cut = setTimeout(() => server.server.closeAllConnections(), 3000);
  try {
    await server.close();
  } finally {
    clearTimeout(cut);
  }
}

async function ownVersion(): Promise<string> {
  const path = new URL('../../package.json', import.meta.url);
  try {
    const manifest: unknown = JSON.parse(await readFile(path, 'utf8'));
    if (typeof manifest === 'object' && manifest !== null && 'version' in manifest) return String(manifest.version);
    return 'unknown';
  } catch (error) {
    return `unknown (${describeError(error)})`;
  }
}
