import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { systemErrorCode } from '../../src/base/errors.ts';
import { userCacheDir } from '../../src/etcd/binaries/cache-dir.ts';
import { runTool } from '../../src/etcd/binaries/tool.ts';
import wanted from './releases.json' with { type: 'json' };

const { module, program, version } = wanted.s3;

/** A cold build takes a minute or two of two cores. */
const buildTimeoutMs = 20 * 60_000;

/** Where the S3 server that tests run on is, or will be. */
async function s3ProgramPath(): Promise<string> {
  return join(await userCacheDir(process.env), program, version, program);
}

/** Builds the S3 server with the machine's Go from the module proxy, unless it is there. Gives its path. */
export async function ensureS3Program(progress: (line: string) => void, signal: AbortSignal): Promise<string> {
  const path = await s3ProgramPath();
  if (existsSync(path)) return path;
  const folder = dirname(path);
  const fresh = `${folder}-${randomBytes(6).toString('hex')}`;
  await mkdir(fresh, { recursive: true, mode: 0o700 });
  try {
    progress(`building ${program} ${version}, an S3 server for tests: a minute or two the first time`);
    const flags = ['-trimpath', '-ldflags', '-s -w'];
    await runTool('go', ['install', ...flags, `${module}/cmd/${program}@v${version}`], {
      timeoutMs: buildTimeoutMs,
      cwd: fresh,
      env: { GOBIN: fresh, GOFLAGS: '-mod=mod -buildvcs=false', GOWORK: 'off', CGO_ENABLED: '0' },
      signal,
    });
    await rename(fresh, folder).catch((error: unknown) => {
      // Another run was faster, with the same.
      if (!['ENOTEMPTY', 'EEXIST'].includes(systemErrorCode(error) ?? '')) throw error;
    });
    return path;
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}

const pathIfThere = await s3ProgramPath().then((path) => (existsSync(path) ? path : null));

/** Why tests against a real S3 server cannot run here; undefined when they can, and in CI, where they must. */
export function s3SkipReason(): string | undefined {
  const isCi = !['', '0', 'false'].includes(process.env['CI'] ?? '');
  if (pathIfThere !== null || isCi) return undefined;
  return `${program} ${version} is not at hand; \`node test/support/ready.mjs --binaries\` says why it cannot be built`;
}

/** For use inside a test; throws when it is missing, which in CI is what has to happen. */
export function requireS3Program(): string {
  if (pathIfThere === null) throw new Error(`${program} ${version} is not at hand, and this test needs it`);
  return pathIfThere;
}
