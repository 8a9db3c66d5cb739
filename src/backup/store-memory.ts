import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { asQuorateError, QuorateError } from '../base/errors.ts';
import { ensureFolder, readFileIfExists, replaceFile } from '../base/files.ts';

/**
 * Which store was seen at which place. It lives apart from the store: only so can a store that is
 * not mounted, or was emptied, be told from one that was never used.
 */
export interface StoreMemory {
  /** Identity of the store last seen at an absolute path; undefined when none ever was. */
  recall(place: string): Promise<string | undefined>;
  remember(place: string, id: string): Promise<void>;
}

/** Keeps one small file per place in a folder, such as `stores` in the controller's state. */
export function openStoreMemory(folder: string): StoreMemory {
  const fileOf = (place: string): string =>
    join(folder, `${createHash('sha256').update(place).digest('hex').slice(0, 32)}.json`);
  return {
    recall: async (place) => {
      const file = fileOf(place);
      const operation = `recall the store at ${place}`;
      try {
        const text = await readFileIfExists(file);
        return text === undefined ? undefined : parse(text, file, operation);
      } catch (error) {
        throw asQuorateError(error, {
          code: 'state-unreadable',
          kind: 'stalled',
          operation,
          remedy: `Make ${file} readable.`,
        });
      }
    },
    remember: async (place, id) => {
      try {
        await ensureFolder(folder);
        await replaceFile(fileOf(place), `${JSON.stringify({ formatVersion: '1.0', place, id })}\n`);
      } catch (error) {
        throw asQuorateError(error, {
          code: 'state-unwritable',
          kind: 'stalled',
          operation: `remember the store at ${place}`,
          remedy: `Give ${folder} space and make it writable.`,
        });
      }
    },
  };
}

function parse(text: string, file: string, operation: string): string {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && 'id' in value && typeof value.id === 'string') return value.id;
  } catch {
    // Falls through: both ways of being unreadable mean the same.
  }
  throw new QuorateError({
    code: 'state-unreadable',
    kind: 'stalled',
    operation,
    summary: `${file} is damaged, so it cannot be told whether the store there is the one that was used before`,
    remedy: `See that the right store is mounted, then delete ${file}.`,
  });
}
