import { type ChildProcess, spawn } from 'node:child_process';
import { open, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { constants, setPriority } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { describeError, QuorateError } from '../base/errors.ts';
import { waitUntil } from '../base/wait.ts';
import type { EtcdApi } from './api.ts';
import { machineArchitecture } from './binaries/source.ts';
import { runTool } from './binaries/tool.ts';
import type { EtcdBinary } from './binaries.ts';
import { connectEtcd } from './client.ts';
import { flagsOfRelease } from './flag-inventory.ts';
import { createMemberProbe } from './probe.ts';
import { makeScratchCredentials } from './scratch-credentials.ts';
import { restoreCommand } from './snapshot-tool.ts';

export interface ScratchRequest {
  readonly binary: EtcdBinary;
  /** Private (0700); takes the data dir, keys, a socket and the log. The caller removes it. */
  readonly folder: string;
  /** Goes into the environment of every process, so that those of a dead owner are found. */
  readonly mark: Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs: number;
}

/** One running member on loopback, made from a snapshot, for looking at what is in it. */
export interface ScratchEtcd {
  readonly etcd: EtcdApi;
  readonly clientUrl: string;
  /** Kills it and waits for its end; nothing happens the second time. */
  stop(): Promise<void>;
}

const member = 'scratch';
// A socket in the folder, to which the process changes: no port, and no limit to the length of the folder's path.
const peerUrl = `unix://${member}:1`;
const maxPortAttempts = 5;
const pollMs = 25;
const logTailBytes = 2000;
/** Hashing a large database is one call. */
const callTimeoutMs = 300_000;

/** Makes `data` in the folder from a snapshot file, by the release's own tool. Rejects with that tool's failure. */
export async function restoreScratch(request: ScratchRequest, snapshotFile: string): Promise<void> {
  const command = restoreCommand(request.binary, {
    snapshotFile,
    dataDir: join(request.folder, 'data'),
    member,
    peerUrl,
    initialCluster: `${member}=${peerUrl}`,
    token: `scratch ${request.folder}`,
    bumpRevision: 0,
  });
  await runTool(command.program, command.args, {
    timeoutMs: request.timeoutMs,
    cwd: request.folder,
    env: { ...command.env, ...request.mark },
    signal: request.signal,
  });
}

/**
 * Starts a member on `data`, on a port that nobody uses, with mutual TLS of its own. Rejects with `scratch-ended`
 * (etcd ended by itself; its last words are in the summary), `scratch-not-ready`, `start-failed`, or the signal's
 * reason; nothing runs then. An abort later kills it too.
 */
export async function startScratch(request: ScratchRequest): Promise<ScratchEtcd> {
  const credentials = await makeScratchCredentials(request.folder, request.clock);
  const probe = createMemberProbe(() => credentials, request.clock);
  for (let attempt = 1; ; attempt++) {
    request.signal?.throwIfAborted();
    const clientUrl = `https://127.0.0.1:${await freePort()}`;
    const running = await launch(request, clientUrl);
    try {
      await untilReady(request, running, async () => (await probe.health(clientUrl)).healthy);
    } catch (error) {
      await running.stop();
      // Somebody else took the port in between.
      const isTaken = error instanceof QuorateError && error.summary.includes('address already in use');
      if (isTaken && attempt < maxPortAttempts) continue;
      throw error;
    }
    const etcd = connectEtcd({
      endpoints: [clientUrl],
      credentials,
      clock: request.clock,
      timeoutMs: callTimeoutMs,
    });
    return {
      etcd,
      clientUrl,
      stop: async () => {
        etcd.close();
        await running.stop();
      },
    };
  }
}

interface Running {
  /** Aborts when the process has ended. */
  readonly ended: AbortSignal;
  stop(): Promise<void>;
}

async function launch(request: ScratchRequest, clientUrl: string): Promise<Running> {
  const { binary, folder, signal } = request;
  const log = await open(join(folder, 'etcd.log'), 'w', 0o600);
  let child: ChildProcess;
  try {
    child = spawn(binary.etcd, scratchFlags(binary.version, clientUrl), {
      cwd: folder,
      // A session of its own: what a terminal sends to our group must look like an abort, not like a broken backup.
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
      // etcd reads ETCD_… variables as flags, so nothing of our environment is passed on.
      env: { ...request.mark, ...(machineArchitecture() === 'arm64' ? { ETCD_UNSUPPORTED_ARCH: 'arm64' } : {}) },
    });
  } finally {
    await log.close();
  }
  const ended = new AbortController();
  const kill = (): void => {
    child.kill('SIGKILL');
  };
  const exit = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', (error) => {
      ended.abort(startFailed(binary, error));
      // Also tells that a signal could not be sent; only a process that never was cannot end.
      if (child.pid === undefined) resolve();
    });
  }).then(() => {
    signal?.removeEventListener('abort', kill);
    ended.abort();
  });
  signal?.addEventListener('abort', kill, { once: true });
  if (child.pid !== undefined) yieldToOthers(child.pid);
  return {
    ended: ended.signal,
    stop: async () => {
      kill();
      await exit;
    },
  };
}

function scratchFlags(version: string, clientUrl: string): readonly string[] {
  const known = flagsOfRelease(version);
  const flags = {
    name: member,
    'data-dir': 'data',
    'listen-peer-urls': peerUrl,
    'initial-advertise-peer-urls': peerUrl,
    'initial-cluster': `${member}=${peerUrl}`,
    'listen-client-urls': clientUrl,
    'advertise-client-urls': clientUrl,
    'cert-file': 'cert.pem',
    'key-file': 'cert.key',
    'trusted-ca-file': 'ca.pem',
    'client-cert-auth': 'true',
    logger: 'zap',
    // Without a limit: a backup of any size has to open.
    'quota-backend-bytes': '-1',
    // All of it is thrown away.
    'unsafe-no-fsync': 'true',
  };
  return Object.entries(flags)
    .filter(([name]) => known.has(name))
    .map(([name, value]) => `--${name}=${value}`);
}

/** The hosts of controllers do other work as well. */
function yieldToOthers(pid: number): void {
  try {
    setPriority(pid, constants.priority.PRIORITY_LOW);
  } catch {
    // It has ended, or the system does not allow it; it only runs less politely.
  }
}

async function untilReady(request: ScratchRequest, running: Running, isHealthy: () => Promise<boolean>): Promise<void> {
  const { clock, timeoutMs, binary, signal } = request;
  const operation = `start etcd ${binary.version} on a restored snapshot`;
  const seen = await waitUntil(clock, { timeoutMs, intervalMs: pollMs, signal }, async () => {
    if (running.ended.aborted) return 'ended';
    return (await isHealthy()) ? 'healthy' : undefined;
  });
  signal?.throwIfAborted();
  if (seen.seen && seen.value === 'healthy') return;
  if (running.ended.reason instanceof QuorateError) throw running.ended.reason;
  const words = await lastWords(join(request.folder, 'etcd.log'));
  if (seen.seen)
    throw new QuorateError({
      code: 'scratch-ended',
      kind: 'stalled',
      operation,
      summary: `etcd ended by itself; its last words: ${words}`,
    });
  throw new QuorateError({
    code: 'scratch-not-ready',
    kind: 'transient',
    operation,
    summary: `etcd could not serve within ${Math.round(timeoutMs / 1000)} s; its last words: ${words}`,
    remedy: 'See whether this machine is overloaded, and try again.',
  });
}

async function lastWords(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => describeError(error));
  return text.slice(-logTailBytes).trim().split('\n').slice(-5).join(' | ');
}

function startFailed(binary: EtcdBinary, error: unknown): QuorateError {
  return new QuorateError({
    code: 'start-failed',
    kind: 'stalled',
    operation: `start ${binary.etcd}`,
    summary: `the program could not be started: ${describeError(error)}`,
    remedy: 'Check that the file is there, executable, and made for this machine.',
    cause: error,
  });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  return typeof address === 'object' && address !== null ? address.port : 0;
}
