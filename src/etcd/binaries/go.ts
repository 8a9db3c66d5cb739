import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { QuorateError } from '../../base/errors.ts';
import type { BinarySource, FetchRequest, Program } from './source.ts';
import { sourceError } from './source.ts';
import { runTool } from './tool.ts';

/** etcd's own main packages since 3.5; Go names a program after the part before `/v3`. */
const mains: readonly { readonly module: string; readonly built: string; readonly program: Program }[] = [
  { module: 'go.etcd.io/etcd/server/v3', built: 'server', program: 'etcd' },
  { module: 'go.etcd.io/etcd/etcdctl/v3', built: 'etcdctl', program: 'etcdctl' },
  { module: 'go.etcd.io/etcd/etcdutl/v3', built: 'etcdutl', program: 'etcdutl' },
];

// A cold build takes two to four minutes of two cores; a small machine with a slow line gets ten times that.
const buildTimeoutMs = 30 * 60_000;

/**
 * Builds a release with the machine's Go from the module proxy. Every module is checked against Go's
 * checksum database, whatever the machine's settings say. From 3.5 on: before, etcd was no set of Go modules.
 */
export function createGoSource(options: { readonly cacheDir: string }): BinarySource {
  return { name: 'go', fetch: async (request) => await build(request, options.cacheDir) };
}

async function build(request: FetchRequest, cacheDir: string): Promise<string> {
  const { version, signal, scratch } = request;
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major !== 3 || minor < 5) {
    throw sourceError('go', version, {
      code: 'release-not-in-source',
      summary: 'only etcd 3.5 and newer can be built from the Go module proxy',
      remedy: 'put the release into a configured folder, or allow the source release or debian',
    });
  }
  const module = join(scratch, 'module');
  const built = join(scratch, 'built');
  const temporary = join(scratch, 'tmp');
  for (const folder of [module, built, temporary]) await mkdir(folder, { mode: 0o700 });
  const requirements = mains.map((main) => `\t${main.module} v${version}`).join('\n');
  await writeFile(join(module, 'go.mod'), `module quorate.invalid/etcd\n\ngo 1.21\n\nrequire (\n${requirements}\n)\n`);
  const { env, goVersion } = await goEnvironment(request, module, cacheDir, temporary);
  request.progress(`building etcd ${version} with ${goVersion}: some minutes the first time`);
  const flags = ['-mod=mod', '-p', '2', '-trimpath', '-ldflags', '-s -w'];
  try {
    await runTool('go', ['build', ...flags, '-o', `${built}/`, ...mains.map((main) => main.module)], {
      timeoutMs: buildTimeoutMs,
      cwd: module,
      env,
      signal,
    });
  } catch (error) {
    if (!(error instanceof QuorateError) || error.code !== 'tool-failed') throw error;
    throw sourceError('go', version, { ...explain(error.summary), summary: error.summary, cause: error });
  }
  for (const main of mains) await rename(join(built, main.built), join(request.into, main.program));
  return `built by ${goVersion} from Go modules at v${version}, checked against the checksum database`;
}

/** What Go's messages mean, and what to do. */
function explain(messages: string): { readonly code: string; readonly remedy: string } {
  if (/SECURITY ERROR|checksum mismatch/.test(messages)) {
    return {
      code: 'checksum-mismatch',
      remedy: 'what GOPROXY serves is not what the checksum database knows: do not use that proxy',
    };
  }
  if (/unknown revision|no matching versions|: (403 Forbidden|404 Not Found|410 Gone)/.test(messages)) {
    return {
      code: 'release-not-in-source',
      remedy: 'ask `go list -m -versions go.etcd.io/etcd/server/v3` which releases GOPROXY has',
    };
  }
  return {
    code: 'build-failed',
    remedy: 'look at the messages: GOPROXY must be reachable, and Go new enough for this release',
  };
}

const inherited = ['GOPROXY', 'GOSUMDB', 'GOPATH', 'GOCACHE', 'GOMODCACHE', 'GOTOOLCHAIN'];

/** The machine's own proxy and caches, and nothing that could exempt a module from the check. */
async function goEnvironment(
  request: FetchRequest,
  module: string,
  cacheDir: string,
  temporary: string,
): Promise<{ readonly env: Readonly<Record<string, string>>; readonly goVersion: string }> {
  // A service may have no home, and Go then has no place for its caches.
  const go = join(cacheDir, 'go');
  const caches: Readonly<Record<string, string>> =
    (process.env['HOME'] ?? '') === ''
      ? { GOPATH: go, GOCACHE: join(go, 'build'), GOMODCACHE: join(go, 'mod'), GOENV: 'off' }
      : {};
  const options = { timeoutMs: 60_000, cwd: module, signal: request.signal };
  try {
    const asked = await runTool('go', ['env', 'GOVERSION', ...inherited], { ...options, env: caches });
    const [goVersion = '', ...values] = asked.stdout.split('\n');
    const settings = Object.fromEntries(inherited.map((name, index) => [name, values[index] ?? '']));
    if (settings['GOSUMDB'] === 'off') settings['GOSUMDB'] = 'sum.golang.org';
    const env = {
      ...settings,
      ...caches,
      // The machine's settings file may hold GOPRIVATE, GONOSUMDB or GOFLAGS, which turn the check off.
      GOENV: 'off',
      GOFLAGS: '-buildvcs=false',
      GOWORK: 'off',
      CGO_ENABLED: '0',
      GOTMPDIR: temporary,
      TMPDIR: temporary,
    };
    return { env, goVersion };
  } catch (error) {
    if (!(error instanceof QuorateError) || error.code !== 'tool-missing') throw error;
    throw sourceError('go', request.version, {
      code: 'source-unavailable',
      summary: 'Go is not installed',
      remedy: 'install Go, or allow another source',
      cause: error,
    });
  }
}
