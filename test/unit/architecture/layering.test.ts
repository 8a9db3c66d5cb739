import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { LayeringRules } from './layering.ts';
import { findViolations } from './layering.ts';
import { projectRoot } from './source-tree.ts';

const everything = 'base source spec tls etcd backup coordination agent observe plan apply report'.split(' ');

/**
 * How data flows, read downwards: a folder may import what stands beside it, and its own files. `type x` means types
 * only. What may be imported from everywhere imports nothing itself.
 */
const folders = {
  base: [],

  // Git commit ─source→ Revision ─spec→ ClusterSpec
  source: ['base'],
  spec: ['base', 'etcd/flags', 'etcd/releases', 'etcd/flag-inventory'],

  // What the world is made of.
  tls: ['base', 'type spec'],
  etcd: ['base', 'type spec', 'spec/cluster-spec', 'tls'],
  // A drill restores a backup into an etcd of its own, in a folder that outlives nobody.
  backup: ['base', 'type spec', 'type etcd', 'etcd/releases', 'etcd/scratch', 'coordination/work-folder'],
  coordination: ['base'],
  agent: [
    'base',
    'type spec',
    'etcd/binaries',
    'tls',
    // A restore: etcd's own tool, and what the bytes of a snapshot are checked by. Stores it knows nothing of.
    'etcd/snapshot-tool',
    'backup/snapshot-check',
    'backup/stall-guard',
    // Its own file is read like every file that people write.
    'spec/config-file',
    'spec/listen-address',
    'spec/schema',
    'spec/values',
  ],

  // agents, etcd, backup store ─observe→ LiveState
  observe: ['base', 'spec', 'agent/wire', 'type agent', 'etcd/api', 'backup', 'type tls'],

  // (ClusterSpec, LiveState, now) ─plan→ Plan: data in, data out. What stands here without `type` are rules that
  // compute and touch nothing, down to the last import.
  plan: [
    'base',
    'type spec',
    'spec/cluster-spec',
    'type observe',
    'observe/live-state',
    'etcd/releases',
    'etcd/flags',
    'etcd/flag-inventory',
    'tls/names',
    'tls/renewal',
    'type agent/wire',
    'type etcd/api',
    'type backup',
    'type tls',
  ],

  // Plan ─apply→ Outcome ─report→ people
  apply:
    'base plan observe spec/cluster-spec agent/wire etcd/api etcd/flags etcd/releases backup tls coordination'.split(
      ' ',
    ),
  report: ['base', 'plan', 'type apply', 'type observe', 'observe/live-state', 'type spec', 'type backup'],

  // The only two that make real things and hand them in.
  controller: everything,
  cli: [...everything, 'controller'],
};

const makers = ['cli', 'controller'];

const rules: LayeringRules = {
  folders,
  owners: {
    // Git.
    'simple-git': ['source', 'cli'],
    chokidar: ['source'],
    // Processes.
    'node:child_process': ['agent', 'etcd/binaries', 'etcd/scratch', 'coordination/file-lock', ...makers], // the lock is flock(1)'s
    'node:worker_threads': makers,
    'node:cluster': [],
    // Network.
    'node:net': ['agent', 'etcd', ...makers],
    'node:tls': ['agent', 'etcd', 'tls', ...makers],
    'node:http': ['agent', 'etcd', ...makers],
    'node:https': ['agent', 'etcd', ...makers],
    'node:http2': [],
    'node:dgram': [],
    undici: ['agent', 'etcd', ...makers],
    fastify: ['agent', 'controller'],
    etcd3: ['etcd'],
    '@grpc/grpc-js': ['etcd'],
    '@aws-sdk/client-s3': ['backup'],
    '@aws-sdk/lib-storage': ['backup'],
    // Time.
    'node:timers': ['base'],
    'node:timers/promises': ['base'],
    croner: ['base/schedule', 'spec'],
    // Certificates.
    '@peculiar/x509': ['tls'],
    'reflect-metadata': ['tls'],
    // Text.
    yaml: ['base/document', 'spec', ...makers],
    ajv: ['spec', 'agent', 'backup', 'controller'],
    'ajv-formats': ['spec', 'agent', 'backup', 'controller'],
    semver: ['etcd', 'spec', 'plan'],
    pino: ['base', 'agent', ...makers],
    commander: ['cli'],
  },
  pure: ['plan'],
  ambient: {
    // Rooms that speak to real processes and sockets bound their waits with timers; what time it is they are told.
    clock: ['base/clock'],
    timer: ['source', 'etcd', 'agent', ...makers],
    random: [],
    process: ['base', 'source', 'agent', 'backup', 'coordination', 'etcd/binaries', ...makers],
    network: [],
  },
  makers: { systemClock: makers },
  otherKinds: { controller: ['.html', '.css', '.svg'] },
  maxLines: 300,
};

it('keeps src/ in the order in which the data flows', () => {
  expect(findViolations(join(projectRoot, 'src'), rules)).toEqual([]);
});

/** A small tree that keeps every rule. */
const soundTree: Readonly<Record<string, string>> = {
  'base/clock.ts':
    'export interface Clock { now(): number }\nexport const systemClock: Clock = { now: () => Date.now() };\n',
  'base/text.ts': 'export function same(text: string): string { return text; }\n',
  'spec/cluster-spec.ts':
    "import { same } from '../base/text.ts';\nexport interface Spec { name: string }\nexport const nameOf = (spec: Spec): string => same(spec.name);\n",
  'etcd/releases.ts':
    "import { isIP } from 'node:net';\nexport const isRelease = (text: string): boolean => isIP(text) === 0;\n",
  'etcd/client.ts': "import { Etcd3 } from 'etcd3';\nexport class Client extends Etcd3 {}\n",
  'observe/live-state.ts':
    "import type { Spec } from '../spec/cluster-spec.ts';\nexport interface LiveState { spec: Spec }\n",
  'plan/plan.ts':
    "import type { LiveState } from '../observe/live-state.ts';\nexport interface Plan { live: LiveState; at: Date }\n",
  'plan/planner.ts':
    "import { nameOf } from '../spec/cluster-spec.ts';\nimport { isRelease } from '../etcd/releases.ts';\nimport type { Plan } from './plan.ts';\n" +
    'export function plan(process: Plan, at: number): string {\n' +
    '  const { live } = process;\n  return nameOf(live.spec) + new Date(at).getTime() + Math.max(1, 2) + isRelease("x");\n}\n',
  'controller/world.ts':
    "import { systemClock } from '../base/clock.ts';\nimport { Client } from '../etcd/client.ts';\nexport const world = { systemClock, Client };\n",
  'controller/page.html': '<p></p>\n',
};

/** What somebody could add to it, and what the rules must say then. */
const wrongs: readonly (readonly [what: string, path: string, text: string, says: string])[] = [
  [
    'a planner that imports a client',
    'plan/x.ts',
    "import { Client } from '../etcd/client.ts';",
    'plan/x.ts:1: imports etcd/client.ts',
  ],
  ['a planner that imports a value of types', 'plan/x.ts', "import { a } from '../agent/wire.ts';", 'agent/wire.ts'],
  ['an import hidden in an export', 'plan/x.ts', "export * from '../etcd/client.ts';", 'imports etcd/client.ts'],
  [
    'an import hidden in a call',
    'plan/x.ts',
    "export const c = await import('../etcd/client.ts');",
    'imports etcd/client.ts',
  ],
  ['an import of a computed name', 'apply/x.ts', 'export const c = (n: string) => import(n);', 'computed name'],
  [
    'a type of a later stage',
    'plan/x.ts',
    "import type { W } from '../controller/world.ts';",
    'types of controller/world.ts',
  ],
  [
    'a type of a later stage, inline',
    'base/x.ts',
    "export type W = import('../plan/plan.ts').Plan;",
    'types of plan/plan.ts',
  ],
  ['base that knows us', 'base/x.ts', "import { nameOf } from '../spec/cluster-spec.ts';", 'base/ may import nothing'],
  ['the wall clock', 'plan/x.ts', 'export const t = Date.now();', 'plan/x.ts:1: Date.now'],
  ['the wall clock without a name', 'report/x.ts', '\nexport const t = new Date();', 'report/x.ts:2: new Date()'],
  ['the wall clock taken apart', 'plan/x.ts', 'export const { now } = Date;', 'plan/x.ts:1: Date'],
  ['chance', 'plan/x.ts', 'export const r = Math.random();', 'Math.random'],
  ['a timer', 'plan/x.ts', 'export function f(g: () => void) { setTimeout(g, 1); }', 'setTimeout'],
  ['the environment', 'plan/x.ts', 'export const e = process.env;', 'process.env'],
  [
    'the environment beside a local name',
    'plan/x.ts',
    'export const e = process.env; export const f = (process: number) => process;',
    'process.env',
  ],
  ['the network without an import', 'agent/x.ts', "export const r = fetch('https://example.org');", 'fetch'],
  [
    'a module of Node in the planner',
    'plan/x.ts',
    "import { join } from 'node:path'; export { join };",
    'plan/ is pure',
  ],
  [
    'a rule that turns impure',
    'etcd/releases.ts',
    "import { readFileSync } from 'node:fs'; export const isRelease = readFileSync;",
    'plan/planner.ts brings it into plan/',
  ],
  [
    'a process started in the wrong room',
    'apply/x.ts',
    "import { spawn } from 'node:child_process'; export { spawn };",
    'node:child_process',
  ],
  ['a socket under its old name', 'apply/x.ts', "import { connect } from 'net'; export { connect };", 'write node:net'],
  [
    'a client library in the wrong room',
    'apply/x.ts',
    "import { Etcd3 } from 'etcd3'; export { Etcd3 };",
    'imports etcd3',
  ],
  [
    'a part of a scoped package',
    'etcd/x.ts',
    "import { a } from '@peculiar/x509/a'; export { a };",
    'imports @peculiar/x509',
  ],
  [
    'a package nobody knows',
    'base/x.ts',
    "import a from 'left-pad'; export { a };",
    'left-pad, which is not in the table',
  ],
  [
    'the real clock made in place',
    'apply/x.ts',
    "import { systemClock } from '../base/clock.ts'; export { systemClock };",
    'imports systemClock',
  ],
  ['a way out of the folder', 'base/x.ts', "import a from '../../package.json'; export { a };", 'outside src/'],
  ['a file that is not there', 'base/x.ts', "import { a } from './none.ts'; export { a };", 'which is not there'],
  [
    'a file that needs itself',
    'base/x.ts',
    "import type { T } from './x.ts'; export type { T };",
    'cycle base/x.ts → base/x.ts',
  ],
  ['a file that is too long', 'base/x.ts', 'export const a = [\n'.padEnd(320, '\n').concat('];'), 'more than 300'],
  ['a folder that nobody planned', 'utils/x.ts', 'export const a = 1;', 'utils/ is not in the table'],
  ['a file in no folder', 'x.ts', 'export const a = 1;', 'stands in no folder'],
  ['a file of a foreign kind', 'plan/x.js', 'export const a = 1;', 'holds only .ts'],
  ['a name in another style', 'plan/somePlan.ts', 'export const a = 1;', 'not somePlan.ts'],
];

describe('these rules', () => {
  const folder = mkdtempSync(join(tmpdir(), 'quorate-layering-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function violationsOf(name: string, tree: Readonly<Record<string, string>>): readonly string[] {
    const root = join(folder, name.replaceAll(' ', '-'));
    for (const [path, text] of Object.entries(tree)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    return findViolations(root, rules);
  }

  it('find nothing in a sound tree', () => {
    expect(violationsOf('sound', soundTree)).toEqual([]);
  });

  it.each(wrongs)('find %s', (what, path, text, says) => {
    const found = violationsOf(what, { ...soundTree, [path]: text });
    expect(found.join('\n')).toContain(says);
    expect(found).not.toEqual([]);
  });

  it('find two files that need each other, even only for types', () => {
    const found = violationsOf('cycle', {
      ...soundTree,
      'base/x.ts': "import type { Y } from './y.ts'; export type X = Y | null;\n",
      'base/y.ts': "import type { Z } from './z.ts'; export type Y = Z;\n",
      'base/z.ts': "import type { X } from './x.ts'; export type Z = X;\n",
    });
    expect(found).toEqual(['base/x.ts: cycle base/x.ts → base/y.ts → base/z.ts → base/x.ts']);
  });
});
