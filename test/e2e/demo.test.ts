import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { waitUntil } from '../../src/base/wait.ts';
import { endFleet } from '../../src/cli/demo/fleet-processes.ts';
import { userCacheDir } from '../../src/etcd/binaries/cache-dir.ts';
import { requireRelease, skipReason } from '../support/binaries.ts';
import { processesWith } from './support/processes.ts';
import { cleanEnvironment, ensureCompiled, mustRun, quorateArguments } from './support/program.ts';

/** The temp folder of the demo, so that all it leaves behind can be seen. */
let folder: string;
let environment: Readonly<Record<string, string>>;

beforeAll(() => ensureCompiled());

beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'quorate-demo-test-')));
  environment = { ...cleanEnvironment(), TMPDIR: folder, QUORATE_CACHE: await userCacheDir(process.env) };
});

afterEach(async () => {
  for (const name of await readdir(folder)) await endFleet(join(folder, name), systemClock);
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

interface Demo {
  readonly child: ChildProcess;
  output(): string;
  exit(): Promise<number | null>;
}

function startDemo(...options: string[]): Demo {
  const [command, args] = quorateArguments(['demo', ...options]);
  const child = spawn(command, args, { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const collect = (text: string): void => {
    output += text;
  };
  child.stdout.setEncoding('utf8').on('data', collect);
  child.stderr.setEncoding('utf8').on('data', collect);
  const closed = once(child, 'close');
  return {
    child,
    output: () => output,
    exit: async () => {
      await closed;
      return child.exitCode;
    },
  };
}

/** Runs a printed command as a reader would, in a shell. */
async function shell(command: string, configFile: string): Promise<string> {
  const env = { ...environment, QUORATE_CONFIG: configFile };
  return (await mustRun('sh', ['-c', command], { env })).stdout;
}

/** Processes that name the temp folder and what is in it, as soon as there is nothing or when the time is over. */
async function leftovers(timeoutMs = 0): Promise<readonly string[]> {
  let left: readonly string[] = [];
  await waitUntil(systemClock, { timeoutMs, intervalMs: 50 }, async () => {
    const processes = await processesWith(folder);
    left = [...processes.map(({ args }) => args.join(' ')), ...(await readdir(folder))];
    return left.length === 0 ? true : undefined;
  });
  return left;
}

async function waitForOutput(demo: Demo, pattern: RegExp): Promise<void> {
  const waited = await waitUntil(systemClock, { timeoutMs: 120_000, intervalMs: 20 }, async () =>
    pattern.test(demo.output()) || demo.child.exitCode !== null ? true : undefined,
  );
  expect(waited.seen && pattern.test(demo.output()), demo.output()).toBe(true);
}

const titles = [
  'A commit creates the cluster',
  'Three become five',
  'A flag of etcd changes',
  'Five become three',
  'An unsafe commit is refused',
  'A host dies and comes back',
];

describe.skipIf(skipReason('v36') !== undefined)('the demo', () => {
  it('tells its story through a pipe in plain lines and leaves nothing behind', async () => {
    const demo = startDemo();
    const code = await demo.exit();
    const output = demo.output();
    expect(code, output).toBe(0);
    expect(titles.map((title, index) => output.includes(`\n${index + 1}. ${title}\n`))).toEqual(titles.map(() => true));
    expect(output).toBe(stripVTControlCharacters(output));
    expect(output).not.toContain('\r');
    expect(output.split('\n').filter((line) => line.length >= 100)).toEqual([]);

    // Each change is shown as a commit and as a plan before it is done, and measured after it.
    expect(output).toContain('    -  members: 3\n    +  members: 5\n');
    expect(output).toMatch(
      /\$ quorate plan --ref grow\n[\s\S]*add-learner +d\n[\s\S]*\n {2}✓ 2\/\d+ {2}add-learner d +\d/,
    );
    expect(output).toMatch(/Refused \[bootstrap-still-declared\][\s\S]*What to do:/);
    expect(output.match(/✓ .* after [\d.]+ s\.\s+Longest\s+gap/g)).toHaveLength(5);
    expect(output).toMatch(/it is the same member: [0-9a-f]{8,16}\./);
    const keys = /✓ (\d+) keys written, all read back\./.exec(output)?.[1];
    expect(Number(keys)).toBeGreaterThan(100);
    expect(await leftovers()).toEqual([]);
  });

  it('with --keep leaves a cluster to play with, and a command that ends it', async () => {
    const demo = startDemo('--keep');
    expect(await demo.exit(), demo.output()).toBe(0);
    const configFile = /export QUORATE_CONFIG=(\S+)/.exec(demo.output())?.[1] ?? '';
    const stop = /To stop everything and remove the folder:\n {2}(.+)\n/.exec(demo.output())?.[1] ?? '';
    const [node, script] = quorateArguments([]);
    const quorate = `${node} ${script.join(' ')}`;
    expect(await shell(`${quorate} status`, configFile)).toMatch(/orders +Converged/);
    expect(await shell(`${quorate} etcdctl -- get --prefix demo/ --limit 1`, configFile)).toContain('value 0');
    expect(await processesWith(folder)).toHaveLength(9);
    await shell(stop, configFile);
    expect(await leftovers()).toEqual([]);
  });

  it('leaves nothing behind when it is interrupted in the middle of a change', async () => {
    const demo = startDemo();
    await waitForOutput(demo, /2\/\d+ {2}add-learner d/);
    demo.child.kill('SIGINT');
    expect(await demo.exit(), demo.output()).toBe(1);
    expect(demo.output()).toContain('Interrupted.');
    expect(await leftovers()).toEqual([]);
  });

  it('leaves nothing behind when it is killed without a chance to clean up', async () => {
    const demo = startDemo('--version', requireRelease('v36'));
    await waitForOutput(demo, /1\/1 {2}bootstrap-cluster orders/);
    demo.child.kill('SIGKILL');
    await demo.exit();
    expect(await leftovers(20_000)).toEqual([]);
  });
});
