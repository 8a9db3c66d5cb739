import { createHash } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';

import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { QuorateError } from '../../../src/base/errors.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { waitUntil } from '../../../src/base/wait.ts';
import type { FetchRequest } from '../../../src/etcd/binaries/source.ts';
import { runTool } from '../../../src/etcd/binaries/tool.ts';
import type { BinariesOptions, EtcdBinary } from '../../../src/etcd/binaries.ts';
import { testBinaries } from '../../support/binaries.ts';

const architecture = process.arch === 'x64' ? 'amd64' : process.arch;

/** A temp folder that goes when the test ends. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-binaries-'));
  onTestFinished(async () => await rm(folder, { recursive: true, force: true }));
  return folder;
}

export async function optionsFor(more: Partial<BinariesOptions>): Promise<BinariesOptions> {
  const cacheDir = join(await temporaryFolder(), 'cache');
  return { dirs: [], sources: [], cacheDir, clock: systemClock, log: silentLogger, ...more };
}

/** Calls a source by itself. */
export async function requestFor(version: string, signal?: AbortSignal): Promise<FetchRequest> {
  const folder = await temporaryFolder();
  const [into, scratch] = [join(folder, 'into'), join(folder, 'scratch')];
  for (const part of [into, scratch]) await mkdir(part);
  return { version, into, scratch, signal: signal ?? new AbortController().signal, progress: () => undefined };
}

/** A release out of the test cache, which has it (the caller has looked). */
export async function realRelease(version: string): Promise<EtcdBinary> {
  return await (await testBinaries()).ensure(version);
}

/** Puts the programs of a release into a folder, as links. */
export async function linkPrograms(release: EtcdBinary, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const path of [release.etcd, release.etcdctl, release.etcdutl])
    if (path !== null) await symlink(path, join(folder, basename(path)));
}

/** An archive as etcd publishes it: `etcd-v3.5.16-linux-amd64/{etcd,etcdctl,…}`. */
export async function packRelease(release: EtcdBinary, folder: string): Promise<Buffer> {
  const name = archiveName(release.version);
  await linkPrograms(release, join(folder, name));
  await writeFile(join(folder, name, 'README.md'), 'etcd\n');
  const archive = join(folder, `${name}.tar.gz`);
  // Weak compression: this is about the way, not the size.
  await runTool('tar', ['-C', folder, '-h', '-I', 'gzip -1', '-cf', archive, name], { timeoutMs: 60_000 });
  return await readFile(archive);
}

export function archiveName(version: string): string {
  return `etcd-v${version}-linux-${architecture}`;
}

export function sumLine(content: Uint8Array, name: string): string {
  return `${createHash('sha256').update(content).digest('hex')}  ${name}\n`;
}

export type Answer = string | Uint8Array | ((request: IncomingMessage, response: ServerResponse) => void);

export interface Mirror {
  readonly url: string;
  /** Paths that were asked for, in order. */
  readonly asked: readonly string[];
  /** Resolves when somebody has asked for something. */
  readonly firstRequest: Promise<void>;
}

/** A web server on loopback that goes when the test ends; what it does not know is a 404. */
export async function serve(answers: Readonly<Record<string, Answer>>): Promise<Mirror> {
  return await serveAll((path, response, request) => {
    const answer = answers[path];
    if (answer === undefined) response.writeHead(404).end();
    else if (typeof answer === 'function') answer(request, response);
    else response.end(answer);
  });
}

export async function serveAll(
  answer: (path: string, response: ServerResponse, request: IncomingMessage) => void,
): Promise<Mirror> {
  const asked: string[] = [];
  const first = event();
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    asked.push(path);
    first.happen();
    answer(path, response, request);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return { url: `http://127.0.0.1:${address.port}`, asked, firstRequest: first.happened };
}

/** A mirror of one release, with everything as it should be, but for what `changes` says. */
export async function mirrorOf(
  version: string,
  archive: Uint8Array,
  changes: Readonly<{ archive?: Answer; sums?: Answer }> = {},
): Promise<Mirror> {
  const name = `${archiveName(version)}.tar.gz`;
  return await serve({
    [`/v${version}/${name}`]: changes.archive ?? archive,
    [`/v${version}/SHA256SUMS`]:
      changes.sums ?? `${sumLine(Buffer.from('other'), 'other.zip')}${sumLine(archive, name)}`,
  });
}

/** Answers with the first half and then nothing more; resolves `reached` when that has happened. */
export function stalling(content: Uint8Array): { readonly answer: Answer; readonly reached: Promise<void> } {
  const halfway = event();
  const half = content.subarray(0, Math.floor(content.length / 2));
  const answer: Answer = (_request, response) => {
    response.writeHead(200, { 'content-length': content.length });
    response.write(half, () => halfway.happen());
  };
  return { answer, reached: halfway.happened };
}

/** Something that happens once, and may be waited for. */
export function event(): { readonly happen: () => void; readonly happened: Promise<void> } {
  const emitter = new EventEmitter();
  const happened = once(emitter, 'happened').then(() => undefined);
  return { happen: () => void emitter.emit('happened'), happened };
}

export async function expectRejected(promise: Promise<unknown>, message: string): Promise<void> {
  await expect(promise).rejects.toThrow(message);
}

/** The error of a promise that has to reject with ours. */
export async function errorOf(promise: Promise<unknown>): Promise<QuorateError> {
  const outcome = await promise.then(
    () => new Error('it resolved'),
    (error: unknown) => error,
  );
  if (outcome instanceof QuorateError) return outcome;
  throw outcome;
}

/** Sets variables while something runs. */
export async function withEnvironment(
  variables: Readonly<Record<string, string>>,
  run: () => Promise<void>,
): Promise<void> {
  const before = Object.keys(variables).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, variables);
  try {
    await run();
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}

/** All that is in a cache's folder of releases, leftovers of fetches included. */
export async function cacheEntries(cacheDir: string): Promise<readonly string[]> {
  return await readdir(join(cacheDir, 'etcd'));
}

/** Processes whose command line or environment mentions a text: those that work for a fetch into that folder. */
async function processesWith(text: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && name !== String(process.pid))) {
    for (const file of ['cmdline', 'environ']) {
      const content = await readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '');
      if (content.includes(text)) found.push(`${pid}: ${content.replaceAll('\0', ' ').slice(0, 200)}`);
    }
  }
  return found;
}

export async function expectNoProcessWith(text: string): Promise<void> {
  // A killed process stays visible until its parent has taken note.
  const gone = await waitUntil(systemClock, { timeoutMs: 10_000, intervalMs: 20 }, async () =>
    (await processesWith(text)).length === 0 ? true : undefined,
  );
  if (!gone.seen) throw new Error(`still running: ${(await processesWith(text)).join('\n')}`);
}
