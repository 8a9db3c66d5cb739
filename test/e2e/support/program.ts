import { execFile, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const script = `${root}dist/cli/main.js`;

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Compiles the code when it is not what was compiled last; the tests run what users run. */
export function ensureCompiled(): void {
  const { status, stdout, stderr } = spawnSync(process.execPath, [`${root}test/support/ready.mjs`], {
    encoding: 'utf8',
    timeout: 110_000,
  });
  if (status !== 0) throw new Error(`the code cannot be compiled: ${stdout}${stderr}`);
}

/** Command line of the compiled `quorate`. */
export function quorateArguments(args: readonly string[]): readonly [string, string[]] {
  return [process.execPath, [script, ...args]];
}

/** The surroundings of the tests without what would point Git or Quorate elsewhere. */
export function cleanEnvironment(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) =>
      value === undefined || /^(GIT_|QUORATE_(?!CACHE)|ETCD|NODE_OPTIONS|VITEST)/.test(name) ? [] : [[name, value]],
    ),
  );
}

/** Runs a program to its end; a program that hangs is killed after `timeoutMs` and its code is -1. */
export function run(
  program: string,
  args: readonly string[],
  options: { readonly timeoutMs?: number; readonly env?: Readonly<Record<string, string>>; readonly cwd?: string } = {},
): Promise<Ended> {
  return new Promise((resolve) => {
    const { timeoutMs = 120_000, env = cleanEnvironment(), cwd = root } = options;
    const limits = { timeout: timeoutMs, killSignal: 'SIGKILL' as const, maxBuffer: 64 * 1024 ** 2 };
    execFile(program, args, { ...limits, env, cwd, encoding: 'utf8' }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      resolve({ code, stdout, stderr: code === -1 ? `${stderr}\n${error?.message ?? ''}` : stderr });
    });
  });
}

/** As `run`, but anything other than exit code 0 is an error. */
export async function mustRun(...input: Parameters<typeof run>): Promise<Ended> {
  const ended = await run(...input);
  if (ended.code === 0) return ended;
  throw new Error(`${input[0]} ${input[1].join(' ')}: exit code ${ended.code}\n${ended.stdout}\n${ended.stderr}`);
}
