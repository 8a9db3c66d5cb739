import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createMutex, type Mutex } from '../../../src/agent/mutex.ts';
import { createProcessRuntime } from '../../../src/agent/process-runtime.ts';
import { findByArgument, identify, parseStat } from '../../../src/agent/procfs.ts';
import type { ProcessExit } from '../../../src/agent/runtime.ts';
import { type Launch, Supervisor } from '../../../src/agent/supervisor.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { waitFor } from './fleet.ts';

let folder: string;
let ending: AbortController;
let exits: ProcessExit[];
let mayRestart: boolean;
let exclusive: Mutex;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'quorate-supervisor-'));
  ending = new AbortController();
  exits = [];
  exclusive = createMutex('test', 10);
  mayRestart = false;
});

afterEach(async () => {
  ending.abort();
  await waitFor('the end of every process', async () => {
    const found = await findByArgument(argument());
    if (found !== undefined) process.kill(found.pid, 'SIGKILL');
    return found === undefined;
  });
  await rm(folder, { recursive: true, force: true });
});

function argument(): string {
  return `--data-dir=${folder}/data`;
}

function shell(script: string): Launch {
  return {
    spec: {
      command: '/bin/sh',
      args: ['-c', script, 'sh', argument()],
      workingFolder: folder,
      logFile: join(folder, 'log'),
    },
    version: '3.6.14',
    trust: { peer: ['aa'], client: ['bb'] },
  };
}

const forever = 'while :; do sleep 0.05; done';

function supervise(launch: Launch): Supervisor {
  return new Supervisor({
    runtime: createProcessRuntime(systemClock),
    clock: systemClock,
    log: silentLogger,
    lifetime: ending.signal,
    backoff: { firstMs: 20, maxMs: 40, resetAfterMs: 60_000 },
    claimPath: join(folder, 'pid.json'),
    argument: argument(),
    exclusive,
    relaunch: async () => (mayRestart ? launch : undefined),
    onExit: async (exit) => {
      exits.push(exit);
    },
    onRestart: async () => undefined,
  });
}

const log = async (): Promise<string> => readFile(join(folder, 'log'), 'utf8');

describe('stopping', () => {
  it.each([
    ['ends on TERM', `trap 'echo term; exit 0' TERM; echo ready; ${forever}`, ['term'], { code: 0, signal: null }],
    [
      'ends on QUIT',
      `trap 'echo term' TERM; trap 'echo quit; exit 2' QUIT; echo ready; ${forever}`,
      ['term', 'quit'],
      { code: 2, signal: null },
    ],
    [
      'ends on KILL',
      `trap 'echo term' TERM; trap 'echo quit' QUIT; echo ready; ${forever}`,
      ['term', 'quit'],
      { code: null, signal: 'SIGKILL' },
    ],
  ])('%s', async (_what, script, said, exit) => {
    const supervisor = supervise(shell(script));
    await supervisor.launch(shell(script));
    await waitFor('the traps', async () => (await log()).includes('ready'));
    await supervisor.stop(300);
    expect(supervisor.running).toBeUndefined();
    expect(await findByArgument(argument())).toBeUndefined();
    await waitFor('the exit', async () => exits.length === 1);
    expect(exits).toEqual([exit]);
    // A shell that was not scheduled between the two takes both signals at once, in the order of their numbers.
    const told = (await log()).split('\n').filter((line) => line === 'term' || line === 'quit');
    expect(told.toSorted()).toEqual(said.toSorted());
    expect(supervisor.willRestart).toBe(false);
    await supervisor.stop(300);
  });
});

describe('a process', () => {
  it('has a session of its own', async () => {
    const supervisor = supervise(shell(forever));
    await supervisor.launch(shell(forever));
    const pid = supervisor.running?.identity.pid ?? 0;
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // After the name: state, parent, process group, session.
    const [, , group, session] = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    expect([group, session]).toEqual([pid, pid]);
  });

  it('gets none of the variables by which etcd would take flags', async () => {
    process.env['ETCD_FORCE_NEW_CLUSTER'] = 'true';
    try {
      const supervisor = supervise(shell(`env; ${forever}`));
      await supervisor.launch(shell(`env; ${forever}`));
      await waitFor('the variables', async () => (await log()).includes('PATH='));
      expect(await log()).not.toContain('FORCE_NEW_CLUSTER');
    } finally {
      delete process.env['ETCD_FORCE_NEW_CLUSTER'];
    }
  });

  it('that crashes is started again until it is not wanted any more', async () => {
    mayRestart = true;
    const launch = shell('echo started; exit 3');
    const supervisor = supervise(launch);
    await supervisor.launch(launch);
    await waitFor('three starts', async () => (await log()).split('started').length > 3);
    await exclusive(() => supervisor.stop(1000));
    expect(supervisor.willRestart).toBe(false);
    expect(exits.slice(0, 3)).toEqual([3, 3, 3].map((code) => ({ code, signal: null })));
    expect(await findByArgument(argument())).toBeUndefined();
  });

  it('that cannot be executed is an error that says so', async () => {
    const launch = shell('');
    const broken = { ...launch, spec: { ...launch.spec, command: join(folder, 'missing') } };
    await expect(supervise(broken).launch(broken)).rejects.toMatchObject({ code: 'start-failed', kind: 'stalled' });
  });

  it('is found by another supervisor, with and without a note', async () => {
    const first = supervise(shell(forever));
    await first.launch(shell(forever));
    const identity = first.running?.identity;
    const second = supervise(shell(forever));
    expect((await second.find())?.identity).toEqual(identity);
    expect(second.running?.trust).toEqual({ peer: ['aa'], client: ['bb'] });
    await rm(join(folder, 'pid.json'));
    expect((await supervise(shell(forever)).find())?.identity).toEqual(identity);
  });

  it('with the number of an earlier one is not mistaken for it', async () => {
    const runtime = createProcessRuntime(systemClock);
    const self = identify(process.pid);
    if (self === undefined) throw new Error('not in /proc');
    expect(await runtime.isAlive(self)).toBe(true);
    expect(await runtime.isAlive({ ...self, startTicks: self.startTicks - 1 })).toBe(false);
    expect(await runtime.isAlive({ ...self, bootId: 'another boot' })).toBe(false);
  });
});

describe('/proc/PID/stat', () => {
  it('is read whatever the name of the program is', () => {
    const rest = Array.from({ length: 30 }, (_, index) => String(index + 4)).join(' ');
    expect(parseStat(`12 (a) Z 1 (x y) S ${rest}`)).toEqual({ state: 'S', startTicks: 22 });
    expect(parseStat('12 (cut')).toBeUndefined();
    expect(parseStat('12 (cut) S 1')).toBeUndefined();
  });
});
