import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

const script = fileURLToPath(new URL('./backup-writer.ts', import.meta.url));

export interface Writer {
  readonly child: ChildProcess;
  /** The line that it prints when it hangs or is done. */
  readonly told: Promise<unknown>;
}

/** Starts `backup-writer.ts`; `fileSizeKib` bounds the size of any file that it writes. */
export function startWriter(args: readonly string[], options: { readonly fileSizeKib?: number } = {}): Writer {
  const command = [process.execPath, '--import', 'tsx', script, ...args];
  const limited = ['sh', '-c', `ulimit -f ${options.fileSizeKib ?? 0} && exec "$@"`, 'sh', ...command];
  const [program = '', ...rest] = options.fileSizeKib === undefined ? command : limited;
  const child = spawn(program, rest, { stdio: ['pipe', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout });
  const line = once(lines, 'line', { signal: AbortSignal.timeout(25_000) });
  return { child, told: line.then(([text]: unknown[]): unknown => JSON.parse(String(text))) };
}

export async function killWriter({ child }: Writer): Promise<void> {
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}
