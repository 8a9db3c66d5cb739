import { describeError, QuorateError } from '../../src/base/errors.ts';
import { fetchingBinaries } from './binaries.ts';
import wanted from './releases.json' with { type: 'json' };
import { ensureS3Program } from './s3-program.ts';

/**
 * Fetches what tests (no argument) or the demo (`--demo`: the first of its list that can be had) run on. Ends with
 * code 1 when something is missing, after it has said why and tried the rest.
 */
async function main(): Promise<number> {
  const abort = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.once(signal, () => abort.abort(new Error(`interrupted by ${signal}`)));
  const oneIsEnough = process.argv.includes('--demo');
  let missing = 0;
  for (const { version, sources } of oneIsEnough ? wanted.demo : Object.values(wanted.tests)) {
    try {
      await fetchOne(version, sources, abort.signal);
      if (oneIsEnough) return 0;
    } catch (error) {
      if (abort.signal.aborted) return 130;
      missing++;
      sayMissing(`etcd ${version}`, error);
    }
  }
  if (!oneIsEnough) {
    try {
      await ensureS3Program(say, abort.signal);
    } catch (error) {
      if (abort.signal.aborted) return 130;
      missing++;
      sayMissing(`${wanted.s3.program} ${wanted.s3.version}`, error);
    }
  }
  return missing === 0 ? 0 : 1;
}

async function fetchOne(version: string, sources: readonly string[], signal: AbortSignal): Promise<void> {
  let isFetching = false;
  const binaries = await fetchingBinaries(sources, (line) => {
    isFetching = true;
    say(line);
  });
  const started = performance.now();
  const { etcd } = await binaries.ensure(version, signal);
  if (isFetching) say(`etcd ${version} is ready after ${((performance.now() - started) / 1000).toFixed(1)} s: ${etcd}`);
}

function sayMissing(what: string, error: unknown): void {
  say(`${what} is missing. ${describeError(error)}`);
  if (error instanceof QuorateError && error.remedy !== undefined) say(`  ${error.remedy}`);
}

function say(line: string): void {
  process.stdout.write(`ready: ${line}\n`);
}

process.exitCode = await main();
