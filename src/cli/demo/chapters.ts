import { exitCodes } from '../exit-codes.ts';
import { statusCommand } from '../status.ts';
import { KeyWriter } from './key-writer.ts';
import { isConverged, leaderOf, membersOf } from './lookout.ts';
import { edited } from './spec-repository.ts';
import {
  type ChapterResult,
  change,
  chapterTimeoutMs,
  merge,
  report,
  showCommit,
  showPlan,
  type Tour,
  unexpected,
} from './tour.ts';

export interface Chapter {
  readonly title: string;
  readonly intro: string;
  readonly play: (tour: Tour) => Promise<ChapterResult>;
}

const membersLine = /^ {2}members: \d$/;
/** With the comment above it. */
const bootstrapLines = /(^ {2}# .*\n)*^ {2}bootstrap: .*\n\n?/;
const unsafeCode = 'bootstrap-still-declared';

export const chapters: readonly Chapter[] = [
  {
    title: 'A commit creates the cluster',
    intro:
      'The agents run, the repository holds no cluster. A spec says how it is to be, and that it is to be created.',
    play: createCluster,
  },
  {
    title: 'Three become five',
    intro:
      'From here on a client writes a key every 20 ms. New members join as learners and vote when they have caught up. The bootstrap line has done its work and goes out in the same commit.',
    play: grow,
  },
  {
    title: 'A flag of etcd changes',
    intro: 'Members restart one at a time, the leader last and after it has handed over.',
    play: changeFlag,
  },
  { title: 'Five become three', intro: 'Followers leave before the leader.', play: shrink },
  {
    title: 'An unsafe commit is refused',
    intro: 'Somebody asks for five members again, with the old bootstrap line pasted back in.',
    play: refuse,
  },
  {
    title: 'A host dies and comes back',
    intro: 'It is the one whose member leads. Its agent and its etcd are killed at the same moment, as in a power cut.',
    play: killAndRecover,
  },
];

async function createCluster(tour: Tour): Promise<ChapterResult> {
  const { fleet, lookout } = tour;
  const proposal = await fleet.repository.propose(
    'create',
    `Declare the etcd cluster ${fleet.cluster}`,
    fleet.firstSpec,
  );
  const result = await change(tour, proposal);
  tour.writer = new KeyWriter({
    endpoints: Object.values(fleet.clientUrls),
    credentials: await lookout.credentials(),
    clock: lookout.world.clock,
  });
  tour.writer.start();
  return result;
}

async function grow(tour: Tour): Promise<ChapterResult> {
  const { repository } = tour.fleet;
  const spec = edited(edited(await repository.read(), membersLine, '  members: 5'), bootstrapLines, '');
  return change(tour, await repository.propose('grow', 'Grow to five members', spec));
}

async function changeFlag(tour: Tour): Promise<ChapterResult> {
  const { repository } = tour.fleet;
  const spec = edited(await repository.read(), /heartbeat-interval: 100/, 'heartbeat-interval: 150');
  return change(tour, await repository.propose('heartbeat', 'Send heartbeats less often', spec));
}

async function shrink(tour: Tour): Promise<ChapterResult> {
  const { repository } = tour.fleet;
  const spec = edited(await repository.read(), membersLine, '  members: 3');
  return change(tour, await repository.propose('shrink', 'Shrink to three members', spec));
}

async function refuse(tour: Tour): Promise<ChapterResult> {
  const { fleet, lookout, stage, signal } = tour;
  const { repository } = fleet;
  const before = membersOf((await lookout.look()).live).map((member) => member.id);
  const unsafe = '  members: 5\n  bootstrap: { id: first, from: empty }';
  const proposal = await repository.propose('five', 'Five again', edited(await repository.read(), membersLine, unsafe));
  showCommit(tour, proposal);
  await showPlan(tour, proposal, exitCodes.refused);
  stage.say(
    `\nThe exit code is ${exitCodes.refused}, so a check of a pull request stops here. Merged all the same:`,
    2,
  );
  const mergedAtMs = await merge(tour, proposal);
  stage.doing('the controller sees the commit');
  const refusedAtMs = await lookout.until(
    'the refusal',
    chapterTimeoutMs,
    signal,
    async () => (await tour.log.next()).find((entry) => entry.code === unsafeCode)?.atMs,
  );
  const { live } = await lookout.look();
  const after = membersOf(live).map((member) => member.id);
  if (after.join() !== before.join())
    throw unexpected('refuse a commit', `members were ${before.join(', ')} and are ${after.join(', ')}`);
  const result = report(tour, `Refused [${unsafeCode}], nothing was touched,`, refusedAtMs - mergedAtMs);

  const revert = await repository.proposeRevert('undo');
  showCommit(tour, revert);
  await merge(tour, revert);
  stage.doing('the controller sees the commit');
  await lookout.until('the revert', chapterTimeoutMs, signal, async () =>
    (await tour.log.next()).find((entry) => entry.message === 'new commit' && revert.commit.startsWith(entry.commit)),
  );
  await lookout.waitUntilConverged(chapterTimeoutMs, signal);
  stage.rest();
  stage.say(`\n${stage.palette.green('✓')} Taken back: Git and the cluster say the same again.`, 2);
  return result;
}

async function killAndRecover(tour: Tour): Promise<ChapterResult> {
  const { fleet, lookout, stage, signal, writer } = tour;
  const clock = lookout.world.clock;
  const leader = leaderOf((await lookout.look()).live);
  const host = leader?.host ?? '';
  const pid = (await lookout.etcdOn(host))?.pid ?? 0;
  writer?.takeLongestGapMs();
  const killed = await fleet.killHost(host);
  stage.command(`kill -KILL ${killed.join(' ')}`);
  stage.say(`That was host ${host}, agent and etcd.`, 4);
  stage.doing('the others elect a leader');
  const heir = await lookout.until('another leader', chapterTimeoutMs, signal, async () => {
    const next = leaderOf((await lookout.look()).live);
    return next === undefined || next.id === leader?.id ? undefined : next;
  });
  stage.rest();
  stage.say(`Member ${heir.name} leads now; two of three go on serving.`, 4);
  stage.command('quorate status');
  await showStatus(tour);
  stage.command(`quorate agent --config agents/${host}.yaml`);
  stage.doing(`host ${host} comes back`);
  const startedAtMs = clock.now();
  await fleet.startAgent(host);
  const { live } = await lookout.until(`member ${host} to be back`, chapterTimeoutMs, signal, async () => {
    const look = await lookout.look();
    return isConverged(look) ? look : undefined;
  });
  const back = membersOf(live).find((member) => member.host === host);
  const now = await lookout.etcdOn(host);
  if (back?.id !== leader?.id || now?.pid === undefined || now.pid === pid)
    throw unexpected(`recover host ${host}`, `member ${leader?.id ?? ''} came back as ${back?.id ?? 'nobody'}`);
  stage.say(`Process ${pid} is now ${now.pid}, and it is the same member: ${back?.id ?? ''}.`, 4);
  return report(tour, `Host ${host} is back`, clock.now() - startedAtMs);
}

async function showStatus({ fleet, stage, hasColor }: Tour): Promise<void> {
  let text = '';
  const out = (part: string): void => {
    text += part;
  };
  await statusCommand({ config: fleet.config, format: 'text' }, { out, err: out, hasColor });
  stage.say(text.trimEnd(), 4);
}
