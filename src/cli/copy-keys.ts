import { systemClock } from '../base/clock.ts';
import { formatDuration } from '../base/duration.ts';
import { asQuorateError, QuorateError } from '../base/errors.ts';
import { connectEtcd } from '../etcd/client.ts';
import { connectKeyspace } from '../etcd/copy/connect-keyspace.ts';
import { type CopyResult, copyKeys } from '../etcd/copy/copy-keys.ts';
import { type CopySide, checkBeforeCopy, type Preflight } from '../etcd/copy/preflight.ts';
import { counted } from '../report/shown.ts';
import { type AnyEtcdOptions, readAnyEtcd } from './any-etcd.ts';
import { exitCodes } from './exit-codes.ts';
import { progressReporter } from './progress.ts';
import { stopSignal } from './stop-signal.ts';
import type { Terminal } from './terminal.ts';

export interface CopyKeysOptions {
  readonly from: readonly string[];
  readonly fromCacert?: string;
  readonly fromCert?: string;
  readonly fromKey?: string;
  readonly to: readonly string[];
  readonly toCacert?: string;
  readonly toCert?: string;
  readonly toKey?: string;
  readonly maxTxnOps: number;
  readonly revision?: number;
  readonly continue?: boolean;
  readonly withoutAuth?: boolean;
  readonly dryRun?: boolean;
}

/** `quorate copy-keys`: between any two etcd clusters; needs no configuration. */
export async function copyKeysCommand(options: CopyKeysOptions, terminal: Terminal): Promise<number> {
  const clock = systemClock;
  const from = await openSide('--from', {
    endpoints: options.from,
    cacert: options.fromCacert,
    cert: options.fromCert,
    key: options.fromKey,
  });
  const to = await openSide('--to', {
    endpoints: options.to,
    cacert: options.toCacert,
    cert: options.toCert,
    key: options.toKey,
  });
  const signal = stopSignal();
  const progress = progressReporter(terminal, clock);
  let begun: number | undefined;
  try {
    const checks = {
      from,
      to,
      revision: options.revision,
      withoutAuth: options.withoutAuth === true,
      continues: options.continue === true,
    };
    if (options.dryRun === true) {
      terminal.out(await dryRunText(await checkBeforeCopy(checks), from));
      return exitCodes.done;
    }
    const result = await copyKeys({
      ...checks,
      maxTxnOps: options.maxTxnOps,
      clock,
      signal,
      onBegin: (found) => {
        begun = found.revision;
        terminal.err(`copying ${counted(found.source.keyCount, 'key')} as they are at revision ${found.revision}\n`);
      },
      onProgress: ({ phase, keys, totalKeys }) => {
        progress({ label: phase, unit: 'keys', doneBytes: keys, totalBytes: totalKeys });
      },
    });
    progress.end();
    terminal.out(resultText(result));
    return exitCodes.done;
  } catch (error) {
    throw begun === undefined ? error : brokenOff(error, begun, signal);
  } finally {
    progress.end();
    for (const { etcd, keys } of [from, to]) {
      etcd.close();
      keys.close();
    }
  }
}

/** After these there is nothing to continue. */
const final: ReadonlySet<string> = new Set(['copy-differs', 'source-compacted', 'target-differs']);

/** The same error with the words that finish the copy; a signal makes one too. */
function brokenOff(error: unknown, revision: number, signal: AbortSignal): QuorateError {
  const seen = signal.aborted
    ? new QuorateError({
        code: 'copy-interrupted',
        kind: 'transient',
        operation: 'copy keys',
        summary: 'it was told to stop, and the target may hold a part of the copy',
      })
    : asQuorateError(error, { code: 'copy-failed', kind: 'transient', operation: 'copy keys' });
  if (final.has(seen.code)) return seen;
  const words = `To finish the copy, say the same with --continue --revision ${revision}.`;
  const { code, kind, operation, summary, cause } = seen;
  const remedy = seen.remedy === undefined ? words : `${seen.remedy}\n${words}`;
  return new QuorateError({ code, kind, operation, summary, remedy, cause });
}

async function openSide(
  option: string,
  named: AnyEtcdOptions,
): Promise<CopySide & { readonly etcd: ReturnType<typeof connectEtcd> }> {
  const cluster = { ...(await readAnyEtcd(option, named)), clock: systemClock };
  return { etcd: connectEtcd(cluster), keys: connectKeyspace(cluster) };
}

async function dryRunText({ source, revision, leftAccounts }: Preflight, from: CopySide): Promise<string> {
  const leases = (await from.keys.leases()).length;
  return `would copy ${counted(source.keyCount, 'key')} and ${counted(leases, 'lease')} as they are at revision ${revision}; nothing was written\n${leftBehind(leftAccounts)}`;
}

function resultText(result: CopyResult): string {
  const { keys, tookMs, revision, targetRevision, leases, expired, sha256, leftAccounts } = result;
  const rate = Math.round((keys / Math.max(1, tookMs)) * 1000);
  const lines = [
    `copied ${counted(keys, 'key')} and ${counted(leases.granted, 'lease')} of revision ${revision} in ${formatDuration(tookMs)}, ${rate} keys/s`,
    'compared: the number of keys, every key, value and lease, and their order are the same on both sides',
    `sha256 ${sha256}; the target is at revision ${targetRevision}`,
  ];
  if (expired.keys > 0)
    lines.push(
      `left out: ${counted(expired.keys, 'key')} of ${counted(expired.leases, 'lease')} that ran out during the copy`,
    );
  return `${lines.join('\n')}\n${leftBehind(leftAccounts)}`;
}

function leftBehind(accounts: readonly string[]): string {
  return accounts.length === 0 ? '' : `left behind: ${accounts.join(', ')}\n`;
}
