import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { IdentityFiles } from '../../../src/agent/identity.ts';
import { memberPaths } from '../../../src/agent/paths.ts';
import type { AgentClient } from '../../../src/agent/wire.ts';
import { requireRelease, skipReason } from '../../support/binaries.ts';
import {
  connect,
  type Fleet,
  makeFleet,
  provision,
  singleMember,
  startHost,
  waitFor,
  waitForFacts,
  writeIdentity,
} from './fleet.ts';

const cluster = 'orders';
const script = fileURLToPath(new URL('agent-process.ts', import.meta.url));

let fleet: Fleet;
let files: IdentityFiles;
let dataDir: string;
const children: ChildProcess[] = [];
const clients: AgentClient[] = [];

beforeEach(async () => {
  fleet = await makeFleet();
  dataDir = join(fleet.folder, 'a');
  files = await writeIdentity(
    join(fleet.folder, 'pki', 'a'),
    await fleet.identity({ kind: 'agent', name: 'a', address: '127.0.0.1' }),
  );
});

afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
  for (const child of children.splice(0)) await kill(child);
  await fleet.remove();
});

async function spawnAgent(): Promise<{ readonly child: ChildProcess; readonly client: AgentClient }> {
  const child = fork(script, { execArgv: ['--import', 'tsx'] });
  children.push(child);
  child.send({ name: 'a', dataDir, identity: files });
  const [message] = (await once(child, 'message')) as [{ readonly url?: string; readonly error?: string }];
  if (message.url === undefined) throw new Error(message.error);
  const client = await connect(fleet, message.url, 'a');
  clients.push(client);
  return { child, client };
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

describe('an agent that was killed', () => {
  it('takes over the etcd that went on without it', async (context) => {
    const reason = skipReason('v36');
    if (reason !== undefined) context.skip(reason);
    const first = await spawnAgent();
    const commands = first.client.commands(cluster, { epoch: 7, runId: 'run-7' });
    await provision(fleet, commands, cluster, 'a');
    const request = await singleMember(requireRelease('v36'), 'a');
    await commands.start(request);
    const before = await waitForFacts(first.client, cluster, (facts) => facts.latched !== null);
    await kill(first.child);

    const second = await spawnAgent();
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
    await kill(second.child);
    await rm(memberPaths(dataDir, cluster).pidFile);
    const third = await spawnAgent();
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
    const first = await spawnAgent();
    const commands = first.client.commands(cluster, { epoch: 1, runId: 'run' });
    await provision(fleet, commands, cluster, 'a');
    await commands.start(await singleMember(requireRelease('v36'), 'a'));
    const before = await waitForFacts(first.client, cluster, (facts) => facts.latched !== null);

    // A host that goes down takes the agent and etcd with it.
    await kill(first.child);
    process.kill(before.process.pid ?? 0, 'SIGKILL');
    const second = await spawnAgent();
    const after = await waitForFacts(second.client, cluster, (facts) => facts.process.state === 'running');
    expect(after.process.pid).not.toBe(before.process.pid);
    expect(after.data.memberId).toBe(before.data.memberId);

    await second.client.commands(cluster, { epoch: 1, runId: 'run' }).stop({ graceMs: 0 });
    await kill(second.child);
    const third = await spawnAgent();
    expect((await third.client.facts()).clusters[cluster]?.process.state).toBe('stopped');
  });

  it('does not start as a new cluster what lost its disk meanwhile', async (context) => {
    const reason = skipReason('v36');
    if (reason !== undefined) context.skip(reason);
    const first = await spawnAgent();
    const commands = first.client.commands(cluster, { epoch: 1, runId: 'run' });
    await provision(fleet, commands, cluster, 'a');
    await commands.start(await singleMember(requireRelease('v36'), 'a'));
    const before = await waitForFacts(first.client, cluster, (facts) => facts.latched !== null);
    await kill(first.child);
    process.kill(before.process.pid ?? 0, 'SIGKILL');
    await rm(memberPaths(dataDir, cluster).data, { recursive: true });

    const second = await spawnAgent();
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
    const first = await spawnAgent();
    await expect(spawnAgent()).rejects.toThrow('is an agent on the same data dir');
    await kill(first.child);
    // The claim of a dead one counts for nothing.
    const host = await startHost(fleet, 'a');
    clients.push(host.client);
    await host.agent.close();
    await waitFor('the port to be closed', async () =>
      host.client.facts().then(
        () => false,
        () => true,
      ),
    );
  });
});
