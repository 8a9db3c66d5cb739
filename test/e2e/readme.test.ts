/**
 * The README's first cluster, run as it is written, in one bash on loopback: every command must succeed, and
 * what the README shows must be seen. How its blocks are marked:
 *
 *     <!-- run -->              the next block is run
 *     <!-- run until shown -->  it is run again until the block after it is seen
 *     <!-- shown -->            the lines of the next block are in the output, in this order; white space counts
 *                               as one blank, and … stands for anything
 *
 * Two things differ from a newcomer's machine. `quorate` on the PATH was compiled into the test's folder, not
 * linked by npm. And after `quorate init` the ports of the new fleet, 7001… and 2379…, are exchanged for free
 * ones in its files and its one commit, so that a fleet on this machine is not in the way.
 */
import { type ChildProcessWithoutNullStreams, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { waitUntil } from '../../src/base/wait.ts';
import { skipReason } from '../support/binaries.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const readme = await readFile(join(root, 'README.md'), 'utf8');
const missingRelease = skipReason('v36');

interface Block {
  readonly mark: 'run' | 'run until shown' | 'shown';
  readonly text: string;
}

interface Act {
  readonly script: string;
  readonly isRepeated: boolean;
  readonly shown: readonly string[];
}

const blocks = [...readme.matchAll(/^<!-- (run|run until shown|shown) -->\n```[a-z]*\n([\s\S]*?)^```$/gm)].map(
  (match): Block => ({ mark: match[1] as Block['mark'], text: match[2] ?? '' }),
);
const acts = blocks.flatMap(({ mark, text }, index): readonly Act[] => {
  if (mark === 'shown') return [];
  const next = blocks[index + 1];
  const shown = next?.mark === 'shown' ? next.text.split('\n').filter((line) => line.trim() !== '') : [];
  return [{ script: text, isRepeated: mark === 'run until shown', shown }];
});

/** A bash of its own process group, which is fed one block after the other. */
class Shell {
  readonly #child: ChildProcessWithoutNullStreams;
  #output = '';
  #count = 0;

  constructor(folder: string, path: string) {
    this.#child = spawn('bash', ['--noprofile', '--norc'], {
      cwd: folder,
      detached: true,
      env: { ...process.env, PATH: path, NO_COLOR: '1', QUORATE_CONFIG: undefined },
    });
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text;
      });
    // Commands before || and in conditions may fail, as in any script with `set -e`.
    this.#child.stdin.write('trap \'echo "@failed $? $BASH_COMMAND"\' ERR\n');
  }

  /** What the block printed; fails when a command in it did. */
  async run(script: string): Promise<string> {
    const end = `@end ${++this.#count}`;
    const from = this.#output.length;
    this.#child.stdin.write(`${script}\necho "${end}"\n`);
    const done = await waitUntil(systemClock, { timeoutMs: 60_000, intervalMs: 20 }, async () => {
      const printed = this.#output.slice(from);
      return printed.includes(`${end}\n`) ? printed : undefined;
    });
    if (!done.seen) throw new Error(`no end of:\n${script}\nafter:\n${this.#output.slice(from)}`);
    const output = done.value.replace(`${end}\n`, '');
    if (/^@failed/m.test(output)) throw new Error(`a command failed in:\n${script}\n${output}`);
    return output;
  }

  /** Ends it with everything that it started and that is still in its group. */
  async kill(): Promise<void> {
    const { pid } = this.#child;
    if (pid === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      this.#child.kill('SIGKILL');
    }
    await exited;
  }
}

/** Undefined when all lines are there; else the first that is not. */
function missingLine(output: string, shown: readonly string[]): string | undefined {
  const lines = output.split('\n').map(withSingleBlanks);
  let from = 0;
  for (const wanted of shown) {
    const parts = withSingleBlanks(wanted).split('…');
    const pattern = new RegExp(`^${parts.map(literal).join('.*')}$`);
    const at = lines.findIndex((line, index) => index >= from && pattern.test(line));
    if (at === -1) return wanted;
    from = at + 1;
  }
  return undefined;
}

function withSingleBlanks(line: string): string {
  return line.trim().replaceAll(/\s+/g, ' ');
}

function literal(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

/** As many ports as asked for that nobody listens on. */
async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  await Promise.all(servers.map((server) => once(server.listen(0, '127.0.0.1'), 'listening')));
  const ports = servers.flatMap((server) => {
    const address = server.address();
    return typeof address === 'object' && address !== null ? [address.port] : [];
  });
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}

const initPorts = [7001, 7002, 7003, 7080, 2379, 2380, 2381, 2389, 2390, 2391, 2399, 2400, 2401];

async function exchangePorts(fleet: string): Promise<void> {
  const free = await freePorts(initPorts.length);
  const exchanged = new Map(initPorts.map((port, index) => [String(port), String(free[index])]));
  const agents = ['a', 'b', 'c'].map((name) => `agents/${name}.yaml`);
  const files = ['controller.yaml', 'repo/clusters/orders.yaml', ...agents].map((name) => join(fleet, name));
  for (const file of files) {
    const text = await readFile(file, 'utf8');
    await writeFile(
      file,
      text.replaceAll(/\b\d{4}\b/g, (number) => exchanged.get(number) ?? number),
    );
  }
  execFileSync('git', ['-C', join(fleet, 'repo'), 'commit', '--quiet', '--all', '--amend', '--no-edit']);
}

/** Pids of the members that run under a folder; one that was given to another program since is left out. */
async function membersUnder(folder: string): Promise<readonly number[]> {
  const pids: number[] = [];
  const entries = await readdir(join(folder, 'fleet'), { recursive: true }).catch(() => []);
  for (const file of entries.filter((name) => /^hosts\/[^/]+\/clusters\/[^/]+\/pid\.json$/.test(name))) {
    const { identity } = JSON.parse(await readFile(join(folder, 'fleet', file), 'utf8')) as {
      identity: { pid: number };
    };
    const commandLine = await readFile(`/proc/${identity.pid}/cmdline`, 'utf8').catch(() => '');
    if (commandLine.includes(folder)) pids.push(identity.pid);
  }
  return pids;
}

describe('the README', () => {
  test('names scripts that package.json has', async () => {
    const { scripts, bin } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
      bin: Record<string, string>;
    };
    const named = [...readme.matchAll(/^npm (?:run )?(demo|test|build)\b|&& npm run (build)\b/gm)].map(
      (match) => match[1] ?? match[2] ?? '',
    );
    expect(named.toSorted()).toEqual(['build', 'demo', 'test']);
    for (const name of named) expect(scripts).toHaveProperty(name);
    expect(bin).toHaveProperty('quorate');
  });

  test('has no unmarked command in its first cluster but the installation', () => {
    const chapter = readme.split('## The first cluster')[1]?.split('### On three hosts')[0] ?? '';
    const fences = chapter.match(/^```[a-z]+$/gm) ?? [];
    expect(fences.length).toBe(blocks.length + 1);
    expect(acts.filter(({ shown }) => shown.length > 0).length).toBeGreaterThan(3);
    expect(acts.every(({ isRepeated, shown }) => !isRepeated || shown.length > 0)).toBe(true);
  });

  test('a line that is not there is missed', () => {
    const output = 'orders  Converged\n  a   1f  leader   healthy\n  b   2f  follower  UNHEALTHY\n';
    expect(missingLine(output, ['orders Converged', 'a … … healthy'])).toBeUndefined();
    expect(missingLine(output, ['orders Converged', 'b … … healthy'])).toBe('b … … healthy');
    expect(missingLine(output, ['a … … healthy', 'orders Converged'])).toBe('orders Converged');
  });
});

describe('the first cluster of the README', () => {
  let folder = '';
  let shell: Shell | undefined;

  beforeAll(async () => {
    if (missingRelease !== undefined) return;
    folder = await realpath(await mkdtemp(join(tmpdir(), 'quorate-readme-')));
    const lib = join(folder, 'lib');
    const bin = join(folder, 'bin');
    await Promise.all([mkdir(lib), mkdir(bin)]);
    for (const name of ['node_modules', 'package.json', 'schemas']) await symlink(join(root, name), join(lib, name));
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    const build = [tsc, '-p', join(root, 'tsconfig.build.json'), '--outDir', join(lib, 'dist')];
    // Wrong types are the matter of another check; what comes out is run below.
    const { stdout } = spawnSync(process.execPath, build, { encoding: 'utf8', timeout: 100_000 });
    if (!existsSync(join(lib, 'dist/cli/main.js'))) throw new Error(`nothing was compiled:\n${stdout}`);
    const program = `#!/bin/sh\nexec ${process.execPath} ${lib}/dist/cli/main.js "$@"\n`;
    await writeFile(join(bin, 'quorate'), program, { mode: 0o755 });
    shell = new Shell(folder, `${bin}${delimiter}${process.env['PATH'] ?? ''}`);
  });

  afterAll(async () => {
    // The agents first: they would start their members again.
    await shell?.kill();
    if (folder === '') return;
    for (const pid of await membersUnder(folder)) process.kill(pid, 'SIGKILL');
    await rm(folder, { recursive: true, force: true, maxRetries: 20 });
  });

  test('does what the README says, command by command', async (context) => {
    if (missingRelease !== undefined) return context.skip(missingRelease);
    if (shell === undefined) throw new Error('there is no shell');
    for (const { script, isRepeated, shown } of acts) {
      let output = await shell.run(script);
      let missing = missingLine(output, shown);
      const deadline = systemClock.monotonic() + 60_000;
      while (isRepeated && missing !== undefined && systemClock.monotonic() < deadline) {
        output = await shell.run(script);
        missing = missingLine(output, shown);
      }
      expect(missing, `not seen after:\n${script}\n${output}`).toBeUndefined();
      if (script.includes('quorate init')) await exchangePorts(join(folder, 'fleet'));
    }
    const ended = await waitUntil(systemClock, { timeoutMs: 20_000, intervalMs: 50 }, async () =>
      (await membersUnder(folder)).length === 0 ? true : undefined,
    );
    expect(ended.seen, 'members still run').toBe(true);
  });
});
