import { createMutex, type Mutex } from './mutex.ts';
import { type StateFile, stateFile } from './state-file.ts';
import type { ProcessFacts, StartRequest } from './wire.ts';
import { startSchema } from './wire-schemas.ts';

/** What must survive the agent: whether the member is meant to run, and how. */
export interface MemberRecord {
  readonly desired: 'run' | 'stop';
  /** The last start; null before the first. */
  readonly request: StartRequest | null;
  /** The last start began on an empty data dir, and no identity has been seen in it since. */
  readonly isFresh: boolean;
  /** Restarts after crashes since the last commanded start. */
  readonly restarts: number;
  readonly lastExit: NonNullable<ProcessFacts['lastExit']> | null;
}

const emptyRecord: MemberRecord = { desired: 'stop', request: null, isFresh: false, restarts: 0, lastExit: null };

const recordFile: StateFile<MemberRecord> = stateFile<MemberRecord>({
  type: 'object',
  additionalProperties: false,
  required: ['desired', 'request', 'isFresh', 'restarts', 'lastExit'],
  properties: {
    desired: { enum: ['run', 'stop'] },
    request: { anyOf: [{ type: 'null' }, startSchema] },
    isFresh: { type: 'boolean' },
    restarts: { type: 'integer', minimum: 0 },
    lastExit: {
      type: ['object', 'null'],
      additionalProperties: false,
      required: ['code', 'signal', 'atMs', 'logTail'],
      properties: {
        code: { type: ['integer', 'null'] },
        signal: { type: ['string', 'null'] },
        atMs: { type: 'number' },
        logTail: { type: 'array', items: { type: 'string' } },
      },
    },
  },
});

/** `member.json`: memory follows the disk, never the other way round. */
export class MemberRecordStore {
  readonly #path: string;
  readonly #exclusive: Mutex;
  #record: MemberRecord;

  private constructor(path: string, record: MemberRecord) {
    this.#path = path;
    this.#record = record;
    this.#exclusive = createMutex(`write ${path}`, 100);
  }

  static async load(path: string): Promise<MemberRecordStore> {
    return new MemberRecordStore(path, (await recordFile.read(path)) ?? emptyRecord);
  }

  get current(): MemberRecord {
    return this.#record;
  }

  /** Durable when it resolves. */
  update(change: Partial<MemberRecord>): Promise<void> {
    return this.#exclusive(async () => {
      const next = { ...this.#record, ...change };
      await recordFile.write(this.#path, next);
      this.#record = next;
    });
  }
}
