import { formatTime } from '../base/clock.ts';
import type { Diagnostic } from '../base/diagnostics.ts';
import { QuorateError } from '../base/errors.ts';
import type { ObjectStore } from './store.ts';
import { parseStored, renderStored, type StoredKind, storedKind } from './stored-json.ts';
import { maxPerSecond, writeOnce } from './write-once.ts';

export const runOutcomes = ['done', 'failed', 'interrupted', 'superseded'] as const;
export type RunOutcome = (typeof runOutcomes)[number];

/** `runs/<time>-<commit>.json`: what one run did. Written once, when it is over. */
export interface RunRecord {
  readonly formatVersion: '1.0';
  readonly cluster: string;
  /** Full commit id. */
  readonly commit: string;
  /** Digest of the plan. */
  readonly digest: string;
  /** Who acted: for example `controller@host`. */
  readonly actor: string;
  /** Fencing epoch. */
  readonly epoch: number;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly outcome: RunOutcome;
  readonly error?: RunError | undefined;
  readonly steps: readonly RunStep[];
}

export interface RunStep {
  readonly id: string;
  readonly action: string;
  readonly target: string;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly outcome: RunOutcome;
  readonly error?: RunError | undefined;
}

export interface RunError {
  readonly code: string;
  readonly summary: string;
}

export interface RunListing {
  /** Newest first. */
  readonly runs: readonly RunRecord[];
  /** Records that could not be read. */
  readonly diagnostics: readonly Diagnostic[];
}

const maxListed = 1000;
const text = { type: 'string', maxLength: 10_000 };
const count = { type: 'integer', minimum: 0 };
const runError = { type: 'object', required: ['code', 'summary'], properties: { code: text, summary: text } };
const common = { startedAtMs: count, endedAtMs: count, outcome: { enum: runOutcomes }, error: runError };
const step = { id: text, action: text, target: text, ...common } satisfies Record<keyof RunStep, object>;
const run = {
  formatVersion: { const: '1.0' },
  cluster: text,
  commit: { type: 'string', pattern: '^[0-9a-f]{7,64}$' },
  digest: text,
  actor: text,
  epoch: count,
  ...common,
  steps: {
    type: 'array',
    maxItems: 10_000,
    items: { type: 'object', required: Object.keys(step).filter((name) => name !== 'error'), properties: step },
  },
} satisfies Record<keyof RunRecord, object>;

const runKind: StoredKind<RunRecord> = storedKind<RunRecord>(
  { type: 'object', required: Object.keys(run).filter((name) => name !== 'error'), properties: run },
  {
    what: 'the record of a run',
    code: 'run-record-invalid',
    remedy: 'It is history alone; nothing is decided by it. Restore it from a copy of the store if it matters.',
  },
);

/** Stores the record and gives its key. The same record again is no second run. Never overwrites. */
export async function writeRun(store: ObjectStore, record: RunRecord): Promise<string> {
  const content = renderStored(record);
  const base = `runs/${formatTime(record.startedAtMs)}-${record.commit.slice(0, 12)}`;
  parseStored(runKind, base, content);
  const key = await writeOnce(store, base, content);
  if (key !== undefined) return key;
  throw new QuorateError({
    code: 'run-record-taken',
    kind: 'transient',
    operation: `write the record of a run to ${store.url}`,
    summary: `${maxPerSecond} runs of the same commit began in the same second`,
    remedy: 'See who else writes to this store; one controller per cluster is the rule.',
  });
}

/** The newest `limit` runs, at most 1000. */
export async function listRuns(store: ObjectStore, limit: number): Promise<RunListing> {
  const keys = (await store.list('runs/')).map((object) => object.key).filter((key) => key.endsWith('.json'));
  const runs: RunRecord[] = [];
  const diagnostics: Diagnostic[] = [];
  for (const key of keys.toReversed().slice(0, Math.min(Math.max(0, Math.floor(limit)), maxListed))) {
    try {
      const stored = await store.read(key);
      if (stored !== undefined) runs.push(parseStored(runKind, key, stored.content));
    } catch (error) {
      if (!(error instanceof QuorateError) || error.code !== 'run-record-invalid') throw error;
      const detail = `${error.summary}. ${error.remedy ?? ''}`.trim();
      diagnostics.push({
        severity: 'warning',
        code: error.code,
        summary: 'The record of a run cannot be read.',
        detail,
        file: key,
      });
    }
  }
  return { runs: runs.toSorted((a, b) => b.startedAtMs - a.startedAtMs), diagnostics };
}
