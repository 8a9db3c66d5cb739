import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { observe } from '../../../src/observe/observe.ts';
import type { Plan } from '../../../src/plan/plan.ts';
import { plan } from '../../../src/plan/planner.ts';
import { commitOf, ModelController, nextLease } from './controller.ts';
import { type Converged, converge } from './converge.ts';
import { modelSpec, type ShortSpec } from './model-spec.ts';
import { leaderOf } from './raft.ts';
import { membersOf } from './state.ts';
import { happen } from './story-events.ts';
import { ModelWorld } from './world.ts';

/** One scenario: what has come to pass, a commit, the plan for it and what becomes of it. */
export interface Story {
  readonly title: string;
  /** Events in order; see `story-events.ts`. */
  readonly given: readonly StoryEvent[];
  readonly commit: ShortSpec;
  readonly plan: string;
  readonly end: string;
}

/** Text for what happens; `form` and `commit` bring a spec into force. */
export type StoryEvent = string | { readonly form: ShortSpec } | { readonly commit: ShortSpec };

export interface Told {
  readonly plan: string;
  readonly end: string;
  readonly violations: readonly string[];
}

/** Lives through a story and gives what came out, in the words of the file. */
export async function tell(story: Pick<Story, 'given' | 'commit'>, folder: string): Promise<Told> {
  const world = ModelWorld.create(hostsIn(story));
  const stateDir = await mkdtemp(join(folder, 'story-'));
  try {
    let spec: ShortSpec | undefined;
    let formedId = '';
    for (const event of story.given) {
      if (typeof event === 'string') await happen(event, world, { spec, stateDir });
      else if ('commit' in event) spec = resolve(event.commit, world, formedId || startedId(world));
      else {
        spec = event.form;
        const formed = await converge(world, modelSpec({ bootstrap: 'first', ...event.form }), { stateDir });
        if (!formed.isConverged) throw new Error(`the cluster of the story was not formed: ${endText(world, formed)}`);
        world.put(3);
        formedId = world.serving()?.clusterId ?? '';
      }
    }
    const commit = resolve(story.commit, world, formedId || startedId(world));
    const made = await planOf(world, commit, stateDir);
    const end = await converge(world, modelSpec(commit), { stateDir });
    return { plan: planText(made), end: endText(world, end), violations: world.state.violations };
  } finally {
    await rm(stateDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
  }
}

/** The cluster of which a first member has run, while none has formed yet. */
function startedId(world: ModelWorld): string {
  const latched = Object.values(world.state.hosts).flatMap((host) => host.member.latched ?? []);
  return latched[0]?.clusterId ?? '';
}

/** In a file, `CLUSTER` stands for the id of the cluster that the story began with, and `BACKUP` for its first backup. */
function resolve(short: ShortSpec, world: ModelWorld, formedId: string): ShortSpec {
  const { bootstrap } = short;
  if (typeof bootstrap !== 'object') return short;
  const { backup, discardData } = bootstrap;
  return {
    ...short,
    bootstrap: {
      ...bootstrap,
      ...(backup === 'BACKUP' ? { backup: firstBackup(world) } : {}),
      ...(discardData === 'CLUSTER' ? { discardData: formedId } : {}),
    },
  };
}

function firstBackup(world: ModelWorld): string {
  const archives = [...world.store.objects.keys()].filter((key) => key.endsWith('/etcd.backup.gz')).toSorted();
  return archives[0]?.split('/', 1)[0] ?? 'none';
}

/** The plan for a commit at this moment; nothing is changed. */
async function planOf(world: ModelWorld, short: ShortSpec, stateDir: string): Promise<Plan> {
  const spec = modelSpec(short);
  const { sight } = new ModelController(world.fork(), nextLease(world), { stateDir });
  return plan(spec, await observe(spec, sight), commitOf(spec));
}

function planText({ changes, steps, refusals, waits, warnings }: Plan): string {
  const lines = [
    ...changes.map(({ path, live, desired }) => `change ${path}: ${valueText(live)} → ${valueText(desired)}`),
    ...steps.map((step) => {
      const risk = step.risk === 'none' ? '' : ` [${step.risk}]`;
      const to = step.detail.to === undefined ? '' : ` to ${step.detail.to}`;
      return `${step.id} ${step.action} ${step.target}${to} (${step.reason})${risk}`;
    }),
    ...refusals.map(({ code }) => `refuse ${code}`),
    ...waits.map(({ code }) => `wait ${code}`),
    ...warnings.map(({ code }) => `warn ${code}`),
  ];
  return lines.length === 0 ? 'nothing to do\n' : `${lines.join('\n')}\n`;
}

function valueText(value: unknown): string {
  if (Array.isArray(value)) return value.join(' ');
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Where it all came to rest: members with their leader, what holds it up, and the keys that clients rely on. */
function endText(world: ModelWorld, { last, error, isConverged }: Converged): string {
  const serving = world.serving();
  const leader = serving === undefined ? undefined : leaderOf(world.state, serving.clusterId);
  const members = leader === undefined ? [] : membersOf(leader.data);
  const names = members.map((member) => `${member.name || 'unnamed'}${member.isLearner ? ' (learner)' : ''}`);
  const codes = [
    ...(last?.plan.refusals ?? []).map(({ code }) => `refuses ${code}`),
    ...(last?.plan.waits ?? []).map(({ code }) => `waits for ${code}`),
    ...(error === undefined ? [] : [`fails with ${error.code}`]),
  ];
  return [
    leader === undefined ? 'nobody serves' : `serving on ${names.toSorted().join(' ')}`,
    `${world.state.acknowledged.length} keys`,
    isConverged ? 'converged' : [...new Set(codes)].toSorted().join('\n') || 'rests with its plan',
    '',
  ].join('\n');
}

function hostsIn(story: Pick<Story, 'given' | 'commit'>): readonly string[] {
  const specs = [
    story.commit,
    ...story.given.flatMap((event) =>
      typeof event === 'string' ? [] : 'form' in event ? [event.form] : [event.commit],
    ),
  ];
  return [...new Set(specs.flatMap((spec) => spec.hosts.split(' ').map((word) => word.slice(0, 1))))].toSorted();
}
