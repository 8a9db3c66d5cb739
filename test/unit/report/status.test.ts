import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { unknown } from '../../../src/base/observation.ts';
import type { LoopStatus } from '../../../src/controller/status-file.ts';
import type { LiveState } from '../../../src/observe/live-state.ts';
import { clusterStatus, statusDocument } from '../../../src/report/status.ts';
import type { ClusterStatusInput, LoopReport } from '../../../src/report/status-input.ts';
import { inputWith, live, member, nowMs, runRecord, sick, spec } from './clusters.ts';
import { commit, lostRefusal, planWith, stepsOf } from './plans.ts';

const ajv = new Ajv({ allErrors: true, strict: false });
addFormats.default(ajv);
const schema: object = JSON.parse(
  readFileSync(new URL('../../../schemas/status.v1.json', import.meta.url), 'utf8'),
) as object;
const validate = ajv.compile(schema);

const steps = stepsOf({ action: 'start-member', target: 'a', reason: 'not-running' });
const wait = { code: 'no-quorum', summary: 'The members run but no quorum answers.', detail: 'x' };
const etcdOf = (...members: ReturnType<typeof member>[]): LiveState['etcd'] => ({
  known: true,
  value: { clusterId: 'cd', members, leaderId: null, alarms: [] },
});
const diagnostic = {
  severity: 'error' as const,
  code: 'unknown-key',
  summary: 'Unknown key',
  detail: 'colour',
  file: 'clusters/orders.yaml',
  line: 3,
  column: 5,
};

const cases: readonly (readonly [phase: string, what: string, fields: Partial<ClusterStatusInput>])[] = [
  ['Converged', 'all is well', {}],
  ['Orphaned', 'its file is gone', { isOrphaned: true, plan: planWith({ steps }) }],
  [
    'Suspended',
    'the spec says so',
    { spec: { ...spec(), suspend: true }, plan: planWith({ refusals: [lostRefusal] }) },
  ],
  [
    'Fighting',
    'the loop gave up',
    { loop: { result: 'fighting', atMs: nowMs, error: null }, plan: planWith({ steps }) },
  ],
  ['Lost', 'the planner refuses', { plan: planWith({ refusals: [{ ...lostRefusal, code: 'other' }, lostRefusal] }) }],
  ['Refused', 'any other refusal', { plan: planWith({ refusals: [{ ...lostRefusal, code: 'ca-in-use' }] }) }],
  [
    'Refused',
    'there never was a spec',
    { spec: undefined, live: undefined, plan: undefined, diagnostics: [diagnostic] },
  ],
  ['Reconciling', 'there are steps', { plan: planWith({ steps, waits: [wait] }) }],
  ['Degraded', 'the plan waits', { plan: planWith({ waits: [wait] }) }],
  ['Degraded', 'a member is sick', { live: live({ etcd: etcdOf(member('a', 'aa'), sick(member('b', 'bb'))) }) }],
  ['Degraded', 'nothing was seen', { live: undefined, plan: undefined }],
  ['Degraded', 'no quorum answers', { live: live({ etcd: unknown('no answer') }) }],
];

describe('the status of a cluster', () => {
  it.each(cases)('is %s when %s, and is valid by its schema', (phase, _what, fields) => {
    const status = clusterStatus(inputWith(fields));
    expect(status.phase).toBe(phase);
    const document = statusDocument({
      source: { ref: 'main', commit, error: null },
      diagnostics: [diagnostic],
      clusters: [status],
    });
    validate(JSON.parse(JSON.stringify(document)));
    expect(validate.errors).toBeNull();
    const types = status.conditions.map((condition) => condition.type);
    expect(types).toEqual([...new Set(types)]);
    expect(types).toEqual(clusterStatus(inputWith()).conditions.map((condition) => condition.type));
    for (const condition of status.conditions) expect(condition.reason).toMatch(/^([A-Z][a-z]+)+$/);
    // Ready and the phase never contradict each other.
    expect(status.conditions[0]?.status === 'True').toBe(phase === 'Converged');
  });

  const conditionOf = (type: string, fields: Partial<ClusterStatusInput>) =>
    clusterStatus(inputWith(fields)).conditions.find((condition) => condition.type === type);

  it.each<readonly [type: string, status: string, reason: string, fields: Partial<ClusterStatusInput>]>([
    ['SpecLoaded', 'True', 'Loaded', {}],
    ['SpecLoaded', 'False', 'LoadFailed', { diagnostics: [diagnostic] }],
    ['SpecLoaded', 'True', 'Loaded', { diagnostics: [{ ...diagnostic, severity: 'warning' }] }],
    ['Reconciled', 'True', 'PassEnded', {}],
    ['Reconciled', 'Unknown', 'NeverLooked', { loop: undefined }],
    ['Reconciled', 'Unknown', 'LeaseHeld', { loop: { result: 'held', atMs: 1, error: null } }],
    [
      'Reconciled',
      'False',
      'PassFailed',
      { loop: { result: 'pass', atMs: 1, error: { code: 'step-failed', summary: 's' } } },
    ],
    ['MembersHealthy', 'True', 'MembersAnswered', {}],
    ['MembersHealthy', 'False', 'MemberFailed', { live: live({ etcd: etcdOf(sick(member('b', 'bb'))) }) }],
    ['MembersHealthy', 'Unknown', 'QuorumNotSeen', { live: live({ etcd: unknown('x') }) }],
    ['MembersHealthy', 'Unknown', 'NotObserved', { live: undefined }],
    ['AgentsReachable', 'True', 'AgentsAnswered', {}],
    [
      'AgentsReachable',
      'False',
      'AgentNotAnswered',
      { live: live({ hosts: live().hosts.map((host) => ({ ...host, facts: unknown('refused') })) }) },
    ],
    ['StoreReachable', 'False', 'StoreReadFailed', { live: live({ record: unknown('no such folder') }) }],
    ['BackedUp', 'True', 'BackupVerified', {}],
    ['BackedUp', 'Unknown', 'StoreReadFailed', { live: live({ backups: unknown('no such folder') }) }],
    ['BackedUp', 'False', 'NeverBackedUp', { live: live({ backups: { known: true, value: [] } }) }],
    ['RunSucceeded', 'True', 'RunSucceeded', {}],
    ['RunSucceeded', 'False', 'RunFailed', { lastRun: runRecord({ outcome: 'failed' }) }],
    ['RunSucceeded', 'Unknown', 'RunSuperseded', { lastRun: runRecord({ outcome: 'superseded' }) }],
    ['RunSucceeded', 'Unknown', 'NeverRan', { lastRun: undefined }],
  ])('has condition %s %s for %s', (type, status, reason, fields) => {
    expect(conditionOf(type, fields)).toMatchObject({ status, reason });
  });

  it('tells what to do', () => {
    expect(conditionOf('Ready', { plan: planWith({ refusals: [lostRefusal] }) })?.message).toContain(
      lostRefusal.remedy,
    );
    const error = { code: 'full', summary: 'disk full', remedy: 'Make room.' };
    expect(conditionOf('Reconciled', { loop: { result: 'error', atMs: 7, error } })).toMatchObject({
      message: 'disk full [full]. What to do: Make room.',
      sinceMs: 7,
    });
  });

  it('lists members by host with their roles, and what was not answered as null', () => {
    const learner = { ...member('d', 'dd'), isLearner: true, host: null };
    const etcd = {
      ...live().etcd,
      value: {
        clusterId: 'cd',
        leaderId: 'bb',
        alarms: [],
        members: [learner, member('b', 'bb'), sick(member('a', 'aa'))],
      },
    };
    const { members } = clusterStatus(inputWith({ live: live({ etcd: { ...etcd, known: true } }) }));
    expect(members.map(({ host, role, healthy, revision }) => [host, role, healthy, revision])).toEqual([
      ['a', 'follower', false, null],
      ['b', 'leader', true, 42],
      [null, 'learner', true, 42],
    ]);
  });

  it('keeps secrets to itself', () => {
    const error = { code: 'x', summary: 'fetch https://ann:hunter2@git.example/x failed' };
    const text = JSON.stringify([
      clusterStatus(
        inputWith({ loop: { result: 'error', atMs: 1, error }, lastRun: runRecord({ outcome: 'failed', error }) }),
      ),
      statusDocument({ source: { ref: 'main', commit: null, error: error.summary }, diagnostics: [], clusters: [] }),
    ]);
    expect(text).toContain('git.example');
    expect(text).not.toContain('hunter2');
  });

  it('takes what the controller writes', () => {
    expectTypeOf<LoopStatus>().toExtend<LoopReport>();
  });
});
