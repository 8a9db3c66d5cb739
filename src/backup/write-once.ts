import { QuorateError } from '../base/errors.ts';
import type { ObjectStore } from './store.ts';

/** How many different ones may begin in one second, whose names differ by a number then. */
export const maxPerSecond = 100;

/**
 * Stores a small object that is never rewritten at `<base>.json`, or `<base>-2.json` and so on where another one has
 * that name, and gives its key. The same content again is no second one. Undefined when every name is taken.
 */
export async function writeOnce(store: ObjectStore, base: string, content: string): Promise<string | undefined> {
  for (let number = 1; number <= maxPerSecond; number++) {
    const key = number === 1 ? `${base}.json` : `${base}-${number}.json`;
    try {
      await store.write(key, content, { type: 'if-absent' });
      return key;
    } catch (error) {
      if (!(error instanceof QuorateError) || error.code !== 'store-conflict') throw error;
      if ((await store.read(key))?.content === content) return key;
    }
  }
  return undefined;
}
