import { readFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { describeError } from '../../src/base/errors.ts';
import type { EtcdBinary } from '../../src/etcd/binaries.ts';
import { requireRelease, testBinaries } from '../support/binaries.ts';
import { benchBackup } from './backup.ts';
import { benchCommit } from './commit.ts';
import { benchCopy } from './copy.ts';
import { benchFlags } from './flags.ts';
import { benchIdle } from './idle.ts';
import { benchPlan } from './plan.ts';
import { benchRestore } from './restore.ts';
import { Report } from './support/figures.ts';
import { type BenchOptions, parseOptions } from './support/options.ts';
import { Workshop } from './support/workshop.ts';

/** What each benchmark is handed. */
export interface Bench {
  readonly workshop: Workshop;
  readonly report: Report;
  readonly options: BenchOptions;
  readonly binary: EtcdBinary;
  readonly version: string;
}

const benches: Readonly<Record<string, (bench: Bench) => Promise<void>>> = {
  commit: benchCommit,
  flags: benchFlags,
  plan: benchPlan,
  idle: benchIdle,
  backup: benchBackup,
  restore: benchRestore,
  copy: benchCopy,
};

/** Runs the benchmarks that are named, or all of them. Gives the exit code: 0 also when a target was missed. */
export async function runBench(args: readonly string[]): Promise<number> {
  const parsed = parseOptions(args, Object.keys(benches));
  if (typeof parsed === 'string') {
    const isHelp = args.includes('--help');
    console[isHelp ? 'log' : 'error'](parsed);
    return isHelp ? 0 : 2;
  }
  const version = requireRelease('v36');
  const binary = await (await testBinaries()).ensure(version);
  const report = new Report();
  console.log(machineFacts(version));
  const workshop = await Workshop.open();
  const interrupted = closeWhenInterrupted(workshop);
  let failures = 0;
  try {
    for (const name of parsed.names) {
      try {
        await benches[name]?.({ workshop, report, options: parsed, binary, version });
      } catch (error) {
        if (interrupted()) break;
        failures += 1;
        console.error(`   ${name} failed: ${describeError(error)}`);
      }
    }
  } finally {
    await workshop.close();
  }
  if (interrupted()) return 130;
  console.log(`\nload average at the end: ${loadText()}\n\n${report.table()}`);
  return failures === 0 ? 0 : 1;
}

function machineFacts(version: string): string {
  const [first] = cpus();
  return [
    `machine: ${cpus().length} cores (${first?.model ?? 'unknown'}), ${Math.round(totalmem() / 1024 ** 3)} GiB, Linux ${kernel()}`,
    `node ${process.versions.node}, etcd ${version}, load average at start: ${loadText()}`,
    'bare: etcd started by hand in the same run, same release, flags and mutual TLS, certificates made beforehand',
  ].join('\n');
}

function kernel(): string {
  return readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim();
}

function loadText(): string {
  return loadavg()
    .map((value) => value.toFixed(2))
    .join(' ');
}

/** Ctrl-C ends what was started before it ends us. A second one ends us at once; the caretaker cleans up all the same. */
function closeWhenInterrupted(workshop: Workshop): () => boolean {
  let isInterrupted = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      isInterrupted = true;
      console.error('\ninterrupted: ending what was started');
      workshop.close().then(
        () => process.exit(130),
        () => process.exit(130),
      );
    });
  }
  return () => isInterrupted;
}
