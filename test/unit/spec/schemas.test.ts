import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { PlanDocument } from '../../../src/plan/plan.generated.ts';
import { actions, type Plan, risks } from '../../../src/plan/plan.ts';
import type { StatusDocument } from '../../../src/report/status.generated.ts';
import { compileSchema, readSchema, type SchemaName } from '../../../src/spec/schema.ts';

// The plan that the code writes and the plan that the schema describes are one type. This does not
// compile when either has something that the other has not.
const asDocument = (plan: Plan): PlanDocument => plan;
const asPlan = (document: PlanDocument): Plan => document;

const digest = `sha256:${'0'.repeat(64)}`;
const step = {
  id: '1',
  action: 'backup',
  target: 'a',
  reason: 'before-change',
  risk: 'none',
  requires: [],
  ensures: ['backup-verified'],
  detail: {},
} as const;
const plan: Plan = {
  formatVersion: '1.0',
  cluster: 'orders',
  commit: 'a1b2c3',
  digest,
  fingerprint: digest,
  applyable: true,
  changes: [{ path: '/spec/members', live: null, desired: 3 }],
  steps: [step],
  refusals: [{ code: 'ca-in-use', summary: 's', detail: 'd', remedy: 'r' }],
  waits: [],
  warnings: [{ code: 'c', summary: 's', detail: 'd' }],
};

describe('plan', () => {
  const isPlan = compileSchema<PlanDocument>('plan');

  test('a plan of the code satisfies the schema, with every action and every risk', () => {
    expect(isPlan(asDocument(plan))).toBe(true);
    expect(asPlan(asDocument(plan))).toBe(plan);
    for (const action of actions) expect(isPlan({ ...plan, steps: [{ ...step, action }] })).toBe(true);
    for (const risk of risks) expect(isPlan({ ...plan, steps: [{ ...step, risk }] })).toBe(true);
    const detail = {
      memberId: '1',
      flags: { a: 'b' },
      hosts: { a: { b: 'c' } },
      differences: ['x'],
      domains: ['peer'],
    };
    expect(isPlan({ ...plan, steps: [{ ...step, detail }] })).toBe(true);
  });

  test.each([
    ['an unknown action', { ...plan, steps: [{ ...step, action: 'format-disk' }] }],
    ['an unknown key', { ...plan, extra: 1 }],
    ['an unknown key in a detail', { ...plan, steps: [{ ...step, detail: { shell: 'x' } }] }],
    ['a missing digest', { ...plan, digest: undefined }],
    ['a digest of another form', { ...plan, digest: 'md5:0' }],
    ['another version of the format', { ...plan, formatVersion: '2.0' }],
  ])('%s is refused', (_name, value) => {
    expect(isPlan(structuredClone(value))).toBe(false);
  });
});

test('a whole status satisfies the schema', () => {
  const isStatus = compileSchema<StatusDocument>('status');
  const status: StatusDocument = {
    formatVersion: '1.0',
    source: { ref: 'main', commit: null, error: 'the repository could not be read' },
    diagnostics: [{ severity: 'error', code: 'c', summary: 's', detail: 'd', file: 'f', line: 1, column: 1, path: '' }],
    clusters: [
      {
        name: 'orders',
        phase: 'Converged',
        commit: 'a1b2c3',
        clusterId: '8e9e05c52164694d',
        version: '3.5.33',
        members: [
          { host: 'a', id: '1', role: 'leader', healthy: true, version: '3.5.33', dbSizeBytes: 1, revision: 2 },
          { host: null, id: '2', role: 'learner', healthy: false, version: null, dbSizeBytes: null, revision: null },
        ],
        conditions: [{ type: 'Ready', status: 'True', reason: 'Converged', message: 'm', sinceMs: 1 }],
        lastBackup: {
          name: 'n',
          at: '2026-11-20T15:29:48Z',
          verified: true,
          ageMs: 1,
          sizeBytes: 1,
          dbSizeBytes: 2,
          revision: 3,
          checkedAt: '2026-11-20T15:44:48Z',
        },
        lastDrill: { backup: 'n', at: '2026-11-20T16:29:48Z', outcome: 'impossible', problem: 'no room' },
        certificates: [{ host: 'a', domain: 'peer', fingerprint: 'f', issuer: 'i', notAfterMs: 1 }],
        lastRun: {
          id: 'r',
          commit: 'a1b2c3',
          digest: 'd',
          outcome: 'running',
          startedAtMs: 1,
          endedAtMs: null,
          summary: 's',
        },
        diagnostics: [],
      },
    ],
  };
  expect(isStatus(status)).toBe(true);
  const [cluster] = status.clusters;
  expect(isStatus({ ...status, clusters: [{ ...cluster, lastBackup: null, lastDrill: null, lastRun: null }] })).toBe(
    true,
  );
  expect(isStatus({ ...status, clusters: [{ ...cluster, phase: 'Fine' }] })).toBe(false);
  expect(
    isStatus({ ...status, clusters: [{ ...cluster, lastBackup: { ...cluster?.lastBackup, at: 'yesterday' } }] }),
  ).toBe(false);
});

describe('the schemas of what people write', () => {
  const names: readonly SchemaName[] = ['etcd-cluster', 'controller', 'agent'];

  test.each(names)('%s describes and limits every field', (name) => {
    expect(unfinished(readSchema(name), '')).toEqual([]);
  });

  test.each(names)('the reference has every field of %s', (name) => {
    const reference = readFileSync(new URL('../../../docs/spec-reference.md', import.meta.url), 'utf8');
    for (const field of fieldsOf(readSchema(name))) expect(reference).toContain(`| \`${field}\` |`);
  });
});

type Entry = readonly [key: string, value: unknown];

function entries(value: unknown): readonly Entry[] {
  return typeof value === 'object' && value !== null ? Object.entries(value) : [];
}

function fieldsOf(schema: unknown): readonly string[] {
  return entries(schema).flatMap(([key, value]) => [
    ...(key === 'properties' ? entries(value).map(([name]) => name) : []),
    ...fieldsOf(value),
  ]);
}

/** Pointers to fields without a description, mappings that take any key, and numbers without limits. */
function unfinished(schema: unknown, at: string): readonly string[] {
  const keys = new Map(entries(schema));
  const own: string[] = [];
  if (keys.get('type') === 'object' && !keys.has('additionalProperties')) own.push(`${at}: any key`);
  if (keys.get('type') === 'integer' && !keys.has('enum') && !(keys.has('minimum') && keys.has('maximum')))
    own.push(`${at}: no limits`);
  const isField = /\/properties\/[^/]+$/.test(at);
  const isDescribed = keys.has('description') || String(keys.get('$ref')).startsWith('#/definitions/');
  if (isField && !isDescribed) own.push(`${at}: no description`);
  return [...own, ...entries(schema).flatMap(([key, value]) => unfinished(value, `${at}/${key}`))];
}
