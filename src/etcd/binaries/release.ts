import { createHash } from 'node:crypto';
import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { EnvHttpProxyAgent, fetch } from 'undici';
import { describeError, QuorateError, systemErrorCode } from '../../base/errors.ts';
import { readFileIfExists } from '../../base/files.ts';
import { redact } from '../../base/redact.ts';
import { formatSize } from '../../base/size.ts';
import type { BinarySource, FetchRequest } from './source.ts';
import { machineArchitecture, programs, sourceError } from './source.ts';
import { runTool } from './tool.ts';

const officialReleases = 'https://github.com/etcd-io/etcd/releases/download';

// etcd's archives have 16 to 25 MB, unzipped up to 90 MB; these bounds only keep a bad server from filling the disk.
const maxArchiveBytes = 256 * 1024 * 1024;
const maxSumsBytes = 1024 * 1024;
const maxUnzippedBytes = 1024 * 1024 * 1024;
const downloadTimeoutMs = 15 * 60_000;

/**
 * Takes an official archive from `<url>/v3.5.16/`, by default from etcd's releases on GitHub, and checks it against
 * the SHA256SUMS beside it before anything of it is unpacked. The sums are as trustworthy as the way they came,
 * so a mirror must be https, or on this machine.
 */
export function createReleaseSource(options: { readonly url?: string | undefined } = {}): BinarySource {
  const base = (options.url ?? officialReleases).replace(/\/+$/, '');
  return { name: 'release', fetch: async (request) => await fetchRelease(request, base) };
}

async function fetchRelease(request: FetchRequest, base: string): Promise<string> {
  const { version, scratch } = request;
  const architecture = machineArchitecture();
  if (architecture === undefined || process.platform !== 'linux') {
    throw sourceError('release', version, {
      code: 'source-unavailable',
      summary: `there is no archive for ${process.platform} on ${process.arch}`,
      remedy: 'put the release into a configured folder',
    });
  }
  checkUrl(base, version);
  const folder = `etcd-v${version}-linux-${architecture}`;
  const url = `${base}/v${version}/${folder}.tar.gz`;
  const sumsPath = join(scratch, 'SHA256SUMS');
  const archive = join(scratch, 'archive.tar.gz');
  const dispatcher = new EnvHttpProxyAgent({ connectTimeout: 20_000, headersTimeout: 60_000, bodyTimeout: 60_000 });
  try {
    await download(`${base}/v${version}/SHA256SUMS`, sumsPath, maxSumsBytes, dispatcher, request);
    const expected = expectedSum((await readFileIfExists(sumsPath)) ?? '', `${folder}.tar.gz`);
    if (expected === undefined) {
      throw sourceError('release', version, {
        code: 'checksum-missing',
        summary: `SHA256SUMS at ${shown(base)} has no line for ${folder}.tar.gz`,
        remedy: 'see whether this release exists for this machine, and whether the mirror is complete',
      });
    }
    request.progress(`fetching ${shown(url)}`);
    const actual = await download(url, archive, maxArchiveBytes, dispatcher, request);
    if (actual !== expected) {
      throw sourceError('release', version, {
        code: 'checksum-mismatch',
        summary: `${shown(url)} has SHA-256 ${actual}, but SHA256SUMS says ${expected}; it was not unpacked`,
        remedy: 'the file or its mirror is damaged or was tampered with: do not use it, take another mirror',
      });
    }
  } finally {
    // Not close(): that would wait for a server that has stopped answering.
    await dispatcher.destroy();
  }
  await unpack(request, archive, folder);
  return `archive ${shown(url)}, SHA-256 checked`;
}

/**
 * Unpacks the programs, each through a pipe, so that no path, link, mode or owner in the archive has any effect.
 * One that is not there is left out: etcdutl exists since 3.5, and a missing etcd is noticed for all sources alike.
 */
async function unpack(
  { version, scratch, into, signal }: FetchRequest,
  archive: string,
  folder: string,
): Promise<void> {
  const options = { timeoutMs: 300_000, signal };
  // Once, because tar would unzip all of it again for every program.
  const unzipped = join(scratch, 'archive.tar');
  await runTool('gzip', ['-dc', archive], { ...options, stdoutTo: { path: unzipped, maxBytes: maxUnzippedBytes } });
  const members = new Set((await runTool('tar', ['-tf', unzipped], options)).stdout.split('\n'));
  for (const program of programs) {
    const member = `${folder}/${program}`;
    if (!members.has(member)) continue;
    const path = join(into, program);
    const stdoutTo = { path, maxBytes: maxUnzippedBytes };
    await runTool('tar', ['-xOf', unzipped, '--', member], { ...options, stdoutTo });
    if ((await stat(path)).size > 0) continue;
    throw sourceError('release', version, {
      code: 'archive-malformed',
      summary: `${member} in the archive is not a file with content`,
      remedy: 'take another mirror',
    });
  }
}

function checkUrl(base: string, version: string): void {
  const url = URL.canParse(base) ? new URL(base) : undefined;
  const isLocal = url !== undefined && ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname);
  if (url?.protocol === 'https:' || (url?.protocol === 'http:' && isLocal)) return;
  throw sourceError('release', version, {
    code: 'mirror-not-trustworthy',
    summary: `${shown(base)} is not an https URL: whoever sits on the way could change the archive and its checksums alike`,
    remedy: 'serve the mirror with https, or unpack the release into a configured folder',
  });
}

/** The sum of a file in the format of sha256sum. */
function expectedSum(sums: string, name: string): string | undefined {
  for (const line of sums.split('\n')) {
    const match = /^([0-9a-f]{64}) [ *](\S+)$/i.exec(line.trim());
    if (match?.[2] === name) return match[1]?.toLowerCase();
  }
  return undefined;
}

/** Streams to a new file and gives its SHA-256. */
async function download(
  url: string,
  path: string,
  maxBytes: number,
  dispatcher: EnvHttpProxyAgent,
  request: FetchRequest,
): Promise<string> {
  const signal = AbortSignal.any([request.signal, AbortSignal.timeout(downloadTimeoutMs)]);
  const failed = (summary: string, code = 'download-failed', cause?: unknown): QuorateError =>
    sourceError('release', request.version, {
      code,
      summary: `${shown(url)}: ${summary}`,
      remedy: 'check the version, the network and the proxy, or configure a mirror that this machine reaches',
      cause,
    });
  const file = await open(path, 'wx', 0o600);
  try {
    const response = await fetch(url, { dispatcher, signal, redirect: 'follow' });
    if (!response.url.startsWith('https:') && url.startsWith('https:'))
      throw failed('was redirected away from https', 'mirror-not-trustworthy');
    if (response.status === 404) throw failed('does not exist there (HTTP 404)', 'release-not-in-source');
    if (response.status !== 200 || response.body === null) throw failed(`answered with HTTP ${response.status}`);
    const hash = createHash('sha256');
    let size = 0;
    for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
      size += chunk.length;
      if (size > maxBytes) throw failed(`is larger than ${formatSize(maxBytes)}`, 'download-too-large');
      hash.update(chunk);
      await file.writeFile(chunk);
    }
    return hash.digest('hex');
  } catch (error) {
    request.signal.throwIfAborted();
    if (error instanceof QuorateError || systemErrorCode(error) === 'ENOSPC') throw error;
    throw failed(describeError(error), 'download-failed', error);
  } finally {
    await file.close();
  }
}

/** A URL fit for people: without credentials. */
function shown(url: string): string {
  return redact(url);
}
