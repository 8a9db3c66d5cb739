import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { memberPaths } from '../../../src/agent/paths.ts';
import { requireRelease, skipReason } from '../../support/binaries.ts';
import { type AgentChild, spawnAgent } from './agent-child.ts';
import { type Fleet, makeFleet, provision, singleMember, startHost, waitFor, waitForFacts } from './fleet.ts';

const cluster = 'orders';

let fleet: Fleet;
let dataDir: string;
const children: AgentChild[] = [];

beforeEach(async () => {
  fleet = await makeFleet();
  dataDir = join(fleet.folder, 'a');
});

afterEach(async () => {
  for (const child of children.splice(0)) await child.kill();
  await fleet.remove();
});

async function spawn(): Promise<AgentChild> {
  const child = await spawnAgent(fleet);
  children.push(child);
  return child;
}

describe('an agent that was killed', () => {
  it('takes over the etcd that went on without it', async (context) => {
    const reason = skipReason('v36');
    if (reason !== undefined) context.skip(reason);
    const first = await spawn();
    const commands = first.client.commands(cluster, { epoch: 7, runId: 'run-7' });
    await provision(fleet, commands, cluster, 'a');
    const request = await singleMember(requireRelease('v36'), 'a');
    await commands.start(request);
    const before = await waitForFacts(first.client, cluster, (facts) => facts.latched !== null);
    await first.kill();

    const second = await spawn();
    const after = (await second.client.facts()).clusters[cluster];
    expect(after?.process).toEqual(before.process);
    expect(after?.certificates.peer?.trustLoaded).toEqual(before.certificates.peer?.trust);
    expect(after?.epoch).toBe(7);
    await expect(
      second.client.commands(cluster, { epoch: 6, runId: 'old' }).stop({ graceMs: 0 }),
    ).rejects.toMatchObject({
      code: 'stale-epoch',
    });
    expect((await second.client.commands(cluster, { epoch: 7, runId: 'run-7' }).start(request)).pid).toBe(
      before.process.pid,
    );

    // As if the agent had died between the start of etcd and the note about it.
    await second.kill();
    await rm(memberPaths(dataDir, cluster).pidFile);
    const third = await spawn();
    expect((await third.client.facts()).clusters[cluster]?.process.pid).toBe(before.process.pid);

    // An adopted process is watched like a child.
    process.kill(before.process.pid ?? 0, 'SIGKILL');
    const restarted = await waitForFacts(
      third.client,
      cluster,
      (facts) => facts.process.restarts > 0 && facts.process.state === 'running',
    );
    expect(restarted.process.pid).not.toBe(before.process.pid);
    expect((await third.client.commands(cluster, { epoch: 7, runId: 'run-7' }).stop({ graceMs: 0 })).state).toBe(
      'stopped',
    );
  });

  it('starts what ought to run, and leaves alone what was stopped', async (context) => {
    const reason = skipReason('v36');
    if (reason !== undefined) context.skip(reason);
    const first = await spawn();
    const commands = first.client.commands(cluster, { epoch: 1, runId: 'run' });
    await provision(fleet, commands, cluster, 'a');
    await commands.start(await singleMember(requireRelease('v36'), 'a'));
    const before = await waitForFacts(first.client, cluster, (facts) => facts.latched !== null);

    // A host that goes down takes the agent and etcd with it.
    await first.kill();
    process.kill(before.process.pid ?? 0, 'SIGKILL');
    const second = await spawn();
    const after = await waitForFacts(second.client, cluster, (facts) => facts.process.state === 'running');
    expect(after.process.pid).not.toBe(before.process.pid);
    expect(after.data.memberId).toBe(before.data.memberId);

    await second.client.commands(cluster, { epoch: 1, runId: 'run' }).stop({ graceMs: 0 });
    await second.kill();
    const third = await spawn();
    expect((await third.client.facts()).clusters[cluster]?.process.state).toBe('stopped');
  });

  it('does not start as a new cluster what lost its disk meanwhile', async (context) => {
    const reason = skipReason('v36');
    if (reason !== undefined) context.skip(reason);
    const first = await spawn();
    const commands = first.client.commands(cluster, { epoch: 1, runId: 'run' });
    await provision(fleet, commands, cluster, 'a');
    await commands.start(await singleMember(requireRelease('v36'), 'a'));
    const before = await waitForFacts(first.client, cluster, (facts) => facts.latched !== null);
    await first.kill();
    process.kill(before.process.pid ?? 0, 'SIGKILL');
    await rm(memberPaths(dataDir, cluster).data, { recursive: true });

    const second = await spawn();
    // The fence queues behind the resumption, so that after it nothing more happens by itself.
    await second.client.commands(cluster, { epoch: 2, runId: 'look' }).archiveData({ reason: 'nothing there' });
    const after = (await second.client.facts()).clusters[cluster];
    expect(after?.process.state).toBe('stopped');
    expect(after?.data.state).toBe('empty');
    expect(after?.latched).toEqual(before.latched);
  });
});

describe('two agents on one data dir', () => {
  it('are one too many', async () => {
    const first = await spawn();
    await expect(spawn()).rejects.toThrow('is an agent on the same data dir');
    await first.kill();
    // The claim of a dead one counts for nothing.
    const host = await startHost(fleet, 'a');
    await host.agent.close();
    await waitFor('the port to be closed', async () =>
      host.client.facts().then(
        () => false,
        () => true,
      ),
    );
    await host.client.close();
  });
});
