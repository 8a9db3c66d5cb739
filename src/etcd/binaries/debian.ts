import { copyFile, lstat, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { QuorateError, systemErrorCode } from '../../base/errors.ts';
import type { BinarySource, FetchRequest } from './source.ts';
import { machineArchitecture, programs, sourceError } from './source.ts';
import { runTool } from './tool.ts';

const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
const defaultMirror = 'http://deb.debian.org/debian';
const packages = ['etcd-server', 'etcd-client'];

/** Minor of etcd that a stable suite stays with for all its life; what has no fixed suite is in the moving ones. */
const stableSuites: Readonly<Record<string, string>> = { '3.3': 'bullseye', '3.4': 'bookworm', '3.5': 'trixie' };
const movingSuites = ['sid', 'testing'];

/**
 * Takes the programs out of Debian's packages without installing them. apt checks Debian's signature over the
 * lists and the lists' checksums of the packages; it works in a folder of its own, on lists of its own, so neither
 * root nor the machine's package state is needed. What a suite holds is asked, not assumed.
 */
export function createDebianSource(options: { readonly mirror?: string | undefined } = {}): BinarySource {
  return { name: 'debian', fetch: async (request) => await fetchPackages(request, options.mirror) };
}

async function fetchPackages(request: FetchRequest, givenMirror: string | undefined): Promise<string> {
  const { version } = request;
  const architecture = machineArchitecture();
  await checkMachine(version, architecture);
  const mirror = givenMirror ?? (await machineMirror());
  const seen: string[] = [];
  for (const suite of suitesFor(version)) {
    request.progress(`asking Debian ${suite} for etcd ${version}`);
    const apt = await prepareApt(request, suite, mirror, architecture ?? '');
    await updateLists(apt, request, suite);
    const offered = await offeredVersions(apt, request);
    const match = offered.find((offer) => upstreamVersion(offer) === version);
    if (match === undefined) {
      seen.push(`${suite} has ${offered.length === 0 ? 'no etcd' : offered.join(', ')}`);
      continue;
    }
    request.progress(`fetching Debian's etcd ${match} from ${suite}`);
    await unpack(apt, request, match);
    return `Debian package ${match} of ${suite} from ${mirror}, signature and checksum verified by apt`;
  }
  throw sourceError('debian', version, {
    code: 'release-not-in-source',
    summary: `Debian does not carry etcd ${version}: ${seen.join('; ')}`,
    remedy: 'allow another source, put the release into a configured folder, or choose a release that Debian has',
  });
}

async function checkMachine(version: string, architecture: string | undefined): Promise<void> {
  if (architecture === undefined) {
    throw sourceError('debian', version, {
      code: 'source-unavailable',
      summary: `no etcd is known for ${process.arch} machines`,
      remedy: 'put the release into a configured folder',
    });
  }
  try {
    await lstat(keyring);
  } catch (error) {
    throw sourceError('debian', version, {
      code: 'source-unavailable',
      summary: `there is no ${keyring}, so Debian's signatures cannot be checked (${systemErrorCode(error) ?? 'unreadable'})`,
      remedy: 'install the package debian-archive-keyring, or allow another source',
      cause: error,
    });
  }
}

/** Most probable first. */
function suitesFor(version: string): readonly string[] {
  const minor = version.split('.').slice(0, 2).join('.');
  const stable = stableSuites[minor];
  if (stable === undefined) return movingSuites;
  // What is newer than a stable suite's own release can only be in the moving ones; ask the stable one first.
  return minor === '3.5' ? [stable, ...movingSuites] : [stable];
}

/** `3.5.16-4+b2` → `3.5.16`; `1:3.3.25+dfsg-6` → `3.3.25`; `3.6.0~rc.1-1` → `3.6.0-rc.1`. */
function upstreamVersion(debianVersion: string): string {
  return debianVersion
    .replace(/^\d+:/, '')
    .replace(/-[^-]*$/, '')
    .replace(/\+.*$/, '')
    .replace('~', '-');
}

interface Apt {
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
}

/** A complete apt set-up in one folder: nothing of the machine's but its proxy and network settings. */
async function prepareApt(request: FetchRequest, suite: string, mirror: string, architecture: string): Promise<Apt> {
  const folder = join(request.scratch, `apt-${suite}`);
  for (const part of [
    '',
    'empty',
    'state',
    'lists',
    'lists/partial',
    'cache',
    'cache/archives',
    'cache/archives/partial',
  ])
    await mkdir(join(folder, part), { mode: 0o700 });
  await writeFile(
    join(folder, 'sources.list'),
    `deb [signed-by=${keyring} arch=${architecture}] ${mirror} ${suite} main\n`,
  );
  const quoted = (name: string): string => `"${join(folder, name)}"`;
  const settings = [
    `Dir::Etc::Main "/dev/null";`,
    `Dir::Etc::Parts ${quoted('empty')};`,
    `Dir::Etc::SourceList ${quoted('sources.list')};`,
    `Dir::Etc::SourceParts ${quoted('empty')};`,
    `Dir::Etc::Preferences "/dev/null";`,
    `Dir::Etc::PreferencesParts ${quoted('empty')};`,
    `Dir::Etc::Trusted "/dev/null";`,
    `Dir::Etc::TrustedParts ${quoted('empty')};`,
    `Dir::State ${quoted('state')};`,
    `Dir::State::lists ${quoted('lists')};`,
    'Dir::State::status "/dev/null";',
    `Dir::Cache ${quoted('cache')};`,
    'Dir::Cache::pkgcache "";',
    'Dir::Cache::srcpkgcache "";',
    `APT::Architecture "${architecture}";`,
    `APT::Architectures "${architecture}";`,
    // apt as root would hand downloads to its own user, who cannot enter a private folder.
    'APT::Sandbox::User "";',
    'Acquire::Languages "none";',
    'Acquire::GzipIndexes "true";',
    'Acquire::Retries "2";',
    'Acquire::http::Timeout "30";',
    'Acquire::https::Timeout "30";',
    ...(await machineSettings(request.signal)),
  ];
  const configuration = join(folder, 'apt.conf');
  await writeFile(configuration, `${settings.join('\n')}\n`);
  return { folder, env: { APT_CONFIG: configuration, TMPDIR: request.scratch } };
}

/** How this machine reaches the network and whether its clock is to be believed; never anything that skips a check. */
async function machineSettings(signal: AbortSignal): Promise<readonly string[]> {
  const wanted =
    /^Acquire::(https?::(Proxy|CaInfo|CaPath|SslCert|SslKey)|Check-Date|Check-Valid-Until|ForceIPv[46])\b/i;
  try {
    const { stdout } = await runTool('apt-config', ['dump'], { timeoutMs: 30_000, signal });
    return stdout.split('\n').filter((line) => wanted.test(line));
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof QuorateError && error.code === 'tool-missing') return [];
    throw error;
  }
}

/** How apt and gpgv say that a signature is missing, bad, expired, or by a key they do not have. */
const unverified =
  /NO_PUBKEY|BADSIG|ERRSIG|EXPKEYSIG|REVKEYSIG|KEYEXPIRED|NODATA|not signed|Missing key|no valid OpenPGP/i;

async function updateLists(apt: Apt, request: FetchRequest, suite: string): Promise<void> {
  try {
    await runTool('apt-get', ['-q', '-o', 'APT::Update::Error-Mode=any', 'update'], {
      timeoutMs: 5 * 60_000,
      cwd: apt.folder,
      env: apt.env,
      signal: request.signal,
    });
  } catch (error) {
    if (!(error instanceof QuorateError)) throw error;
    if (error.code === 'tool-missing') {
      throw sourceError('debian', request.version, {
        code: 'source-unavailable',
        summary: 'apt is not installed',
        remedy: 'this source works on Debian and its relatives only: allow another one',
        cause: error,
      });
    }
    if (unverified.test(error.summary)) {
      throw sourceError('debian', request.version, {
        code: 'signature-not-verified',
        summary: `the lists of Debian ${suite} carry no good signature of a key in ${keyring}: ${error.summary}`,
        remedy:
          'if the keyring is older than the suite, update the package debian-archive-keyring; else look at the mirror and at proxies on the way',
        cause: error,
      });
    }
    throw error;
  }
}

async function offeredVersions(apt: Apt, request: FetchRequest): Promise<readonly string[]> {
  const { stdout } = await runTool('apt-cache', ['madison', 'etcd-server'], {
    timeoutMs: 60_000,
    cwd: apt.folder,
    env: apt.env,
    signal: request.signal,
  });
  const versions = stdout.split('\n').map((line) => line.split('|')[1]?.trim() ?? '');
  return [...new Set(versions.filter((version) => /^[0-9][0-9A-Za-z.+~:-]*$/.test(version)))];
}

async function unpack(apt: Apt, request: FetchRequest, debianVersion: string): Promise<void> {
  const options = { timeoutMs: 10 * 60_000, cwd: apt.folder, env: apt.env, signal: request.signal };
  await runTool('apt-get', ['-q', 'download', ...packages.map((name) => `${name}=${debianVersion}`)], options);
  const tree = join(apt.folder, 'tree');
  await mkdir(tree, { mode: 0o700 });
  const archives = (await readdir(apt.folder)).filter((name) => name.endsWith('.deb'));
  for (const archive of archives) await runTool('dpkg-deb', ['-x', join(apt.folder, archive), tree], options);
  for (const program of programs) {
    const path = join(tree, 'usr', 'bin', program);
    try {
      if ((await lstat(path)).isFile()) await copyFile(path, join(request.into, program));
    } catch (error) {
      // Packages before 3.5 have no etcdutl. That etcd itself is there is checked for all sources alike.
      if (systemErrorCode(error) !== 'ENOENT') throw error;
    }
  }
}

/** The mirror that this machine's own apt uses for Debian's archive, else Debian's default. */
async function machineMirror(): Promise<string> {
  const texts = await Promise.all([
    readFile('/etc/apt/sources.list', 'utf8').catch(() => ''),
    ...(await readdir('/etc/apt/sources.list.d').catch(() => []))
      .filter((name) => /\.(list|sources)$/.test(name))
      .toSorted()
      .map(async (name) => await readFile(join('/etc/apt/sources.list.d', name), 'utf8').catch(() => '')),
  ]);
  return debianMirrorIn(texts.join('\n')) ?? defaultMirror;
}

/** First `http(s)://…/debian` among the sources in force, in either of apt's formats; comments do not count. */
export function debianMirrorIn(text: string): string | undefined {
  for (const line of text.split('\n')) {
    const rest = /^\s*(?:deb\s+(?:\[[^\]]*\]\s*)?|URIs:\s*)(.*)$/i.exec(line)?.[1] ?? '';
    const found = rest.split(/\s+/).find((word) => /^https?:\/\/[A-Za-z0-9.:_@/~-]+\/debian\/?$/.test(word));
    if (found !== undefined) return found.replace(/\/$/, '');
  }
  return undefined;
}
