import { Ajv } from 'ajv';
import { asQuorateError, QuorateError } from '../base/errors.ts';
import { readFileIfExists, replaceFile } from '../base/files.ts';

const ajv = new Ajv({ strict: true });

/** A small JSON file of the agent's own, checked by a schema when it is read. */
export interface StateFile<T> {
  /** Undefined when there is none; code `state-unreadable` when it is there but not what we wrote. */
  read(path: string): Promise<T | undefined>;
  /** Durable when it resolves; a crash leaves the old content or the new. */
  write(path: string, value: T): Promise<void>;
}

export function stateFile<T>(schema: object): StateFile<T> {
  const isValid = ajv.compile<T>(schema);
  return {
    read: async (path) => {
      const text = await readText(path);
      if (text === undefined) return undefined;
      const value = parse(text);
      if (isValid(value)) return value;
      throw new QuorateError({
        code: 'state-unreadable',
        kind: 'stalled',
        operation: `read ${path}`,
        summary: `the file is not what the agent writes (${ajv.errorsText(isValid.errors)}), so it is unknown what holds here`,
        remedy:
          'Look for disk errors. Put the file back from a backup of the host, or move it away to say that what it held is known to be lost.',
      });
    },
    write: async (path, value) => {
      try {
        await replaceFile(path, `${JSON.stringify(value, undefined, 2)}\n`);
      } catch (error) {
        throw storageError(error, `write ${path}`);
      }
    },
  };
}

/** Trouble with the agent's own disk. */
export function storageError(error: unknown, operation: string): QuorateError {
  return asQuorateError(error, {
    code: 'storage-failed',
    kind: 'transient',
    operation,
    remedy: 'Check that the disk of the data dir is mounted, writable and has room.',
  });
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFileIfExists(path);
  } catch (error) {
    throw storageError(error, `read ${path}`);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
