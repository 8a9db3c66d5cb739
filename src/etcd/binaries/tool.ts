import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { describeError, QuorateError, systemErrorCode } from '../../base/errors.ts';
import { redact } from '../../base/redact.ts';

export interface ToolOptions {
  /** The tool and all that it started are killed after this many milliseconds. */
  readonly timeoutMs: number;
  readonly cwd?: string | undefined;
  /** Beside the few variables that every tool gets. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Standard output goes to this new file instead of into the result. */
  readonly stdoutTo?: { readonly path: string; readonly maxBytes: number } | undefined;
}

export interface ToolResult {
  /** Up to 1 MiB. */
  readonly stdout: string;
  /** Up to 1 MiB. */
  readonly stderr: string;
}

const maxOutputBytes = 1024 * 1024;

/** What a tool needs of our environment: where things are and how to reach the network. Nothing else leaks to it. */
const passedOn = [
  'PATH',
  'HOME',
  'USER',
  'XDG_CACHE_HOME',
  'XDG_CONFIG_HOME',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  ...['http_proxy', 'https_proxy', 'no_proxy', 'all_proxy'].flatMap((name) => [name, name.toUpperCase()]),
  'GOPROXY',
  'GOSUMDB',
  'GOPATH',
  'GOCACHE',
  'GOMODCACHE',
  'GOROOT',
  'GOTOOLCHAIN',
  'GOENV',
];

/**
 * Runs a program without a shell, in a process group of its own, so that a time-out or an abort ends all of it.
 * Rejects with the signal's reason when that aborts, else with `tool-missing`, `tool-timeout` or `tool-failed`,
 * which ends with what the tool said last.
 */
export async function runTool(command: string, args: readonly string[], options: ToolOptions): Promise<ToolResult> {
  options.signal?.throwIfAborted();
  const operation = `run ${command}`;
  const timeout = AbortSignal.timeout(options.timeoutMs);
  const stop = options.signal === undefined ? timeout : AbortSignal.any([options.signal, timeout]);
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: toolEnvironment(options.env),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const kill = (): void => killGroup(child.pid);
  stop.addEventListener('abort', kill, { once: true });
  const stderr = collect(child.stderr);
  let tooLarge = false;
  let stdout: () => string = () => '';
  const written =
    options.stdoutTo === undefined
      ? Promise.resolve()
      : writeLimited(child.stdout, options.stdoutTo, () => {
          tooLarge = true;
          kill();
        });
  // Looked at after the child has ended; the handler keeps an early failure from counting as unhandled.
  written.catch(kill);
  if (options.stdoutTo === undefined) stdout = collect(child.stdout);
  try {
    const ended = await new Promise<{ code: number | null; signal: string | null }>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => resolve({ code, signal }));
    });
    options.signal?.throwIfAborted();
    if (timeout.aborted) {
      const seconds = Math.round(options.timeoutMs / 1000);
      throw new QuorateError({
        code: 'tool-timeout',
        kind: 'transient',
        operation,
        summary: `${command} did not end within ${seconds} s and was killed${lastWords(stderr())}`,
      });
    }
    if (tooLarge) throw toolFailed(operation, `the output is larger than ${options.stdoutTo?.maxBytes} bytes`);
    await written;
    if (ended.code !== 0) {
      const how = ended.code === null ? `was ended by ${ended.signal}` : `ended with code ${ended.code}`;
      throw toolFailed(operation, `${command} ${how}${lastWords(`${stdout()}\n${stderr()}`)}`);
    }
    return { stdout: stdout(), stderr: stderr() };
  } catch (error) {
    options.signal?.throwIfAborted();
    if (error instanceof QuorateError) throw error;
    if (systemErrorCode(error) === 'ENOENT' && child.pid === undefined) {
      throw new QuorateError({
        code: 'tool-missing',
        kind: 'stalled',
        operation,
        summary: `there is no program ${command} on this machine`,
        cause: error,
      });
    }
    throw toolFailed(operation, describeError(error), error);
  } finally {
    stop.removeEventListener('abort', kill);
  }
}

function toolEnvironment(own: Readonly<Record<string, string>> | undefined): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const name of passedOn) {
    const value = process.env[name];
    if (value !== undefined) environment[name] = value;
  }
  // Messages are shown to people and partly read by code: they must not depend on the machine's language.
  return { ...environment, LC_ALL: 'C.UTF-8', ...own };
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    // ESRCH: all of them are gone already, which is what was wanted.
    if (systemErrorCode(error) !== 'ESRCH') throw error;
  }
}

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on('data', (chunk: Buffer) => {
    if (size < maxOutputBytes) chunks.push(chunk.subarray(0, maxOutputBytes - size));
    size += chunk.length;
  });
  return () => Buffer.concat(chunks).toString('utf8');
}

async function writeLimited(
  stream: NodeJS.ReadableStream,
  target: { readonly path: string; readonly maxBytes: number },
  overflow: () => void,
): Promise<void> {
  const file = createWriteStream(target.path, { flags: 'wx', mode: 0o600 });
  let size = 0;
  stream.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size > target.maxBytes) overflow();
  });
  stream.pipe(file);
  await new Promise<void>((resolve, reject) => {
    file.once('error', reject);
    file.once('close', resolve);
  });
}

/** The last lines that a tool printed, for the end of a sentence. */
function lastWords(output: string): string {
  const lines = redact(output)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const text = lines.slice(-5).join(' | ').slice(-1000);
  return text === '' ? '' : `: ${text}`;
}

function toolFailed(operation: string, summary: string, cause?: unknown): QuorateError {
  return new QuorateError({ code: 'tool-failed', kind: 'transient', operation, summary, cause });
}
