import { randomBytes } from 'node:crypto';
import { QuorateError } from '../base/errors.ts';
import type { ObjectStore, WriteCondition } from './store.ts';

/**
 * Finds out whether a store honours conditional writes, on which it rests that two controllers cannot
 * both win. Rejects with code `store-unconditional` when it does not.
 */
export async function probeStore(store: ObjectStore): Promise<void> {
  const key = `control/_probe-${randomBytes(8).toString('hex')}`;
  try {
    await store.write(key, 'one', { type: 'if-absent' });
    await expectConflict(store, key, { type: 'if-absent' });
    const first = await store.read(key);
    if (first?.content !== 'one') throw unconditional(store, 'it does not give back what was written');
    await store.write(key, 'two', { type: 'if-tag', tag: first.tag });
    await expectConflict(store, key, { type: 'if-tag', tag: first.tag });
  } finally {
    await store.delete(key);
  }
}

async function expectConflict(store: ObjectStore, key: string, condition: WriteCondition): Promise<void> {
  try {
    await store.write(key, 'three', condition);
  } catch (error) {
    if (error instanceof QuorateError && error.code === 'store-conflict') return;
    throw error;
  }
  throw unconditional(store, `it let a write pass whose condition (${condition.type}) did not hold`);
}

function unconditional(store: ObjectStore, seen: string): QuorateError {
  return new QuorateError({
    code: 'store-unconditional',
    kind: 'stalled',
    operation: `probe the backup store ${store.url}`,
    summary: `${seen}, so two controllers could overwrite each other's record`,
    remedy: 'Use a store that supports conditional writes, or a folder on a local or NFS file system.',
  });
}
