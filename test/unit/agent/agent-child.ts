import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { AgentClient } from '../../../src/agent/wire.ts';
import { connect, type Fleet, writeIdentity } from './fleet.ts';

const script = fileURLToPath(new URL('agent-process.ts', import.meta.url));

export interface AgentChild {
  readonly client: AgentClient;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
}

/** The agent of host `a` in a process of its own; the data dir is `<fleet.folder>/a`. Rejects with why it did not start. */
export async function spawnAgent(fleet: Fleet): Promise<AgentChild> {
  const identity = await fleet.identity({ kind: 'agent', name: 'a', address: '127.0.0.1' });
  const files = await writeIdentity(join(fleet.folder, 'pki', 'a'), identity);
  const child = fork(script, { execArgv: ['--import', 'tsx'] });
  child.send({ name: 'a', dataDir: join(fleet.folder, 'a'), identity: files });
  const [message] = (await once(child, 'message')) as [{ readonly url?: string; readonly error?: string }];
  if (message.url === undefined) {
    await kill(child);
    throw new Error(message.error);
  }
  const client = await connect(fleet, message.url, 'a');
  return {
    client,
    kill: async () => {
      if (hasEnded(child)) return;
      await client.close();
      await kill(child);
    },
  };
}

async function kill(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}
