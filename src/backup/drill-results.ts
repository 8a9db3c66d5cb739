import { formatTime } from '../base/clock.ts';
import { QuorateError } from '../base/errors.ts';
import type { DrillResult, ObjectStore } from './store.ts';
import { parseStored, renderStored, type StoredKind, storedKind } from './stored-json.ts';
import { maxPerSecond, writeOnce } from './write-once.ts';

const prefix = 'drills/';
const maxListed = 1000;
/** How many damaged results are passed over before the last drill counts as unknown. */
const maxPassedOver = 10;

const text = { type: 'string', maxLength: 10_000 };
const count = { type: 'integer', minimum: 0 };
const countOrNull = { type: ['integer', 'null'], minimum: 0 };
const durationMs = { type: 'number', minimum: 0 };
const timings = {
  fetchMs: durationMs,
  restoreMs: durationMs,
  startMs: durationMs,
  checkMs: durationMs,
} satisfies Record<keyof DrillResult['timings'], object>;
const drill = {
  formatVersion: { const: '1.0' },
  backup: { type: 'string', pattern: '^[0-9A-Za-z:.-]{1,100}$' },
  outcome: { enum: ['passed', 'failed', 'impossible'] },
  problem: { type: ['string', 'null'], maxLength: 10_000 },
  etcdVersion: text,
  startedAtMs: count,
  endedAtMs: count,
  keyCount: countOrNull,
  revision: countOrNull,
  hash: countOrNull,
  hashCompared: { type: 'boolean' },
  timings: { type: 'object', required: Object.keys(timings), properties: timings },
} satisfies Record<keyof DrillResult, object>;

const drillKind: StoredKind<DrillResult> = storedKind<DrillResult>(
  { type: 'object', required: Object.keys(drill), properties: drill },
  {
    what: 'the result of a drill',
    code: 'drill-result-invalid',
    remedy: 'It is history alone; the next drill tells anew. `quorate backup drill` makes one now.',
  },
);

/** Stores a result and gives its key. The same result again is no second drill. Never overwrites. */
export async function writeDrill(store: ObjectStore, result: DrillResult): Promise<string> {
  const content = renderStored(result);
  const base = `${prefix}${formatTime(result.startedAtMs)}-${result.backup}`;
  // What could not be read again must not be written.
  parseStored(drillKind, base, content);
  const key = await writeOnce(store, base, content);
  if (key !== undefined) return key;
  throw new QuorateError({
    code: 'drill-result-taken',
    kind: 'transient',
    operation: `write the result of a drill to ${store.url}`,
    summary: `${maxPerSecond} drills of the same backup began in the same second`,
    remedy: 'See who else writes to this store; one controller per cluster is the rule.',
  });
}

/** The newest result that can be read; undefined when there is none. Rejects for a fault of the store. */
export async function readLastDrill(store: ObjectStore): Promise<DrillResult | undefined> {
  return (await listDrills(store, 1))[0];
}

/** The newest `limit` results, at most 1000, newest first. Damaged ones are passed over. */
export async function listDrills(store: ObjectStore, limit = maxListed): Promise<readonly DrillResult[]> {
  const wanted = Math.min(Math.max(0, Math.floor(limit)), maxListed);
  const keys = (await store.list(prefix)).map((object) => object.key).filter((key) => key.endsWith('.json'));
  const results: DrillResult[] = [];
  // By the time in the key, which is that of the start.
  for (const key of keys.toReversed().slice(0, wanted + maxPassedOver)) {
    if (results.length >= wanted) break;
    try {
      const stored = await store.read(key);
      if (stored !== undefined) results.push(parseStored(drillKind, key, stored.content));
    } catch (error) {
      if (!(error instanceof QuorateError) || error.code !== 'drill-result-invalid') throw error;
    }
  }
  return results.toSorted((a, b) => b.startedAtMs - a.startedAtMs);
}
