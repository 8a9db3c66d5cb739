import { randomBytes } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import { formatTime } from '../base/clock.ts';
import { QuorateError } from '../base/errors.ts';
import type { ObjectStore } from './store.ts';

const namePattern = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)-(\d{6})$/;
const maxAttempts = 100;

/** Keys of one backup. `claim` exists only while it is being written. */
export function keysOf(name: string): { archive: string; proof: string; meta: string; claim: string } {
  return {
    archive: `${name}/etcd.backup.gz`,
    proof: `${name}/_quorate.json`,
    meta: `${name}/_etcd_backup.meta`,
    claim: `${name}/_claim.json`,
  };
}

/** Milliseconds since the epoch that a name states; undefined when it is not the name of a backup. */
export function timeOfName(name: string): number | undefined {
  const time = Date.parse(namePattern.exec(name)?.[1] ?? '');
  return Number.isNaN(time) ? undefined : time;
}

/** Rejects with code `backup-name-invalid` what is not the name of a backup. */
export function checkName(name: string): void {
  if (timeOfName(name) !== undefined) return;
  throw new QuorateError({
    code: 'backup-name-invalid',
    kind: 'invalid',
    operation: 'name a backup',
    summary: `${JSON.stringify(name.slice(0, 100))} does not look like 2026-11-20T15:29:48Z-000003`,
    remedy: 'Give a name as `quorate backup list` shows it.',
  });
}

/**
 * Takes the next free name of this second, by a conditional write, so that what follows belongs to one
 * writer alone: a failed backup can be cleared away without touching another's.
 */
export async function claimName(store: ObjectStore, clock: Clock): Promise<string> {
  const second = formatTime(clock.now());
  const content = JSON.stringify({ claimedAtMs: clock.now(), token: randomBytes(12).toString('hex') });
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const name = `${second}-${String(await nextSuffix(store, second)).padStart(6, '0')}`;
    try {
      await store.write(keysOf(name).claim, content, { type: 'if-absent' });
    } catch (error) {
      if (error instanceof QuorateError && error.code === 'store-conflict') continue;
      throw error;
    }
    // A backup that was finished between the look and the claim has given up its own claim.
    if ((await store.list(`${name}/`)).every((object) => object.key === keysOf(name).claim)) return name;
    await store.delete(keysOf(name).claim);
  }
  throw new QuorateError({
    code: 'backup-name-taken',
    kind: 'transient',
    operation: 'name a backup',
    summary: `${maxAttempts} names of the second ${second} were taken by other writers`,
    remedy: 'See who else writes to this store; one controller per cluster is the rule.',
  });
}

async function nextSuffix(store: ObjectStore, second: string): Promise<number> {
  let next = 0;
  for (const { key } of await store.list(`${second}-`)) {
    const match = namePattern.exec(key.split('/', 1)[0] ?? '');
    if (match !== null) next = Math.max(next, Number(match[2]) + 1);
  }
  return next;
}
