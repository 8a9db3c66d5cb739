import { parseArgs } from 'node:util';
import { parseSize } from '../../../src/base/size.ts';

export interface BenchOptions {
  readonly names: readonly string[];
  /** Each benchmark has its own default. */
  readonly rounds: number | undefined;
  /** Of the idle controller. */
  readonly clusters: number;
  readonly windowMs: number;
  /** Of the database that is backed up or restored. */
  readonly sizeBytes: number;
  /** Folder for CPU profiles of controllers, agents and commands. */
  readonly profiles: string | undefined;
}

/** A text is the answer instead: what is wrong, and help. */
export function parseOptions(args: readonly string[], known: readonly string[]): BenchOptions | string {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        rounds: { type: 'string' },
        clusters: { type: 'string' },
        window: { type: 'string' },
        size: { type: 'string' },
        profile: { type: 'string' },
        help: { type: 'boolean' },
      },
    });
    const unknown = positionals.filter((name) => !known.includes(name));
    if (values.help === true) return help(known);
    if (unknown.length > 0) return `no such benchmark: ${unknown.join(', ')}\n${help(known)}`;
    return {
      names: positionals.length === 0 ? known : positionals,
      rounds: values.rounds === undefined ? undefined : count('--rounds', values.rounds, 1000),
      clusters: count('--clusters', values.clusters ?? '50', 200),
      windowMs: count('--window', values.window ?? '60', 3600) * 1000,
      sizeBytes: size('--size', values.size ?? '1GiB', 8 * 1024 ** 3),
      profiles: values.profile,
    };
  } catch (error) {
    return `${error instanceof Error ? error.message : String(error)}\n${help(known)}`;
  }
}

function count(option: string, text: string, highest: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= highest) return value;
  throw new Error(`${option} takes a whole number from 1 to ${highest}, not ${text}`);
}

function size(option: string, text: string, highestBytes: number): number {
  const bytes = parseSize(text);
  if (bytes !== undefined && bytes >= 1024 ** 2 && bytes <= highestBytes) return bytes;
  throw new Error(`${option} takes a size from 1MiB to ${highestBytes / 1024 ** 3}GiB, not ${text}`);
}

function help(known: readonly string[]): string {
  return `usage: npm run bench -- [${known.join('|')}]... [--rounds N] [--clusters N] [--window SECONDS] [--size SIZE] [--profile FOLDER]
  commit  from the commit of a spec to three members that serve
  flags   rolling change of flags under load
  plan    plan of a live cluster of three members
  idle    memory and CPU of an idle controller with many clusters (--clusters, default 50; --window, default 60 s)
  backup  backup of a filled database to a folder, and its verification (--size, default 1GiB)
  restore restore of a filled database by commit (--size, default 1GiB)
  copy    copy of small keys from one cluster into another
  --profile writes CPU profiles of everything of Quorate, which takes time and, in long runs, much memory`;
}
