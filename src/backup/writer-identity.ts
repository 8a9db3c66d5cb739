import { createHash } from 'node:crypto';
import { readFile, readlink } from 'node:fs/promises';
import { hostname } from 'node:os';

/** Who holds a lock or writes a temporary file: enough for others to see that it died. */
export interface WriterIdentity {
  /** Boot and process namespace, hashed; two writers with the same one see each other's process ids. */
  readonly realm: string;
  readonly pid: number;
  /** Start time of the process in clock ticks since boot, so that a reused id is not taken for it. */
  readonly startTicks: string;
}

export async function ownIdentity(): Promise<WriterIdentity> {
  return { realm: await ownRealm(), pid: process.pid, startTicks: (await startTicksOf(process.pid)) ?? '0' };
}

/** `dead` and `alive` only where it can be known; a writer on another machine is `unknown`. */
export async function fateOf(writer: WriterIdentity): Promise<'alive' | 'dead' | 'unknown'> {
  if (writer.startTicks === '0' || writer.realm !== (await ownRealm())) return 'unknown';
  return (await startTicksOf(writer.pid)) === writer.startTicks ? 'alive' : 'dead';
}

let realm: Promise<string> | undefined;

function ownRealm(): Promise<string> {
  realm ??= (async () => {
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
    const namespace = await readlink('/proc/self/ns/pid').catch(() => '');
    return createHash('sha256').update(`${hostname()}\n${boot}\n${namespace}`).digest('hex').slice(0, 12);
  })();
  return realm;
}

async function startTicksOf(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  // The command name in parentheses may itself hold spaces and parentheses; field 22 is the 20th after it.
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}
