import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { type LogLine, parseLogLine } from './controller-run.ts';
import { eventually } from './eventually.ts';
import { cleanEnvironment, quorateArguments } from './program.ts';

/** Enough to see what went wrong; a daemon that logs in a loop must not fill the memory. */
const maxLines = 2000;

/** An agent or a controller that runs until it is told otherwise. */
export class Daemon {
  readonly log: LogLine[] = [];
  readonly #name: string;
  readonly #child: ChildProcess;
  #output = '';
  #hasEnded = false;

  private constructor(name: string, args: readonly string[]) {
    this.#name = name;
    const [program, all] = quorateArguments(args);
    this.#child = spawn(program, all, { stdio: ['ignore', 'ignore', 'pipe'], env: cleanEnvironment() });
    this.#child.once('exit', () => {
      this.#hasEnded = true;
    });
    this.#child.once('error', (error) => {
      this.#output += error.message;
      this.#hasEnded = true;
    });
    if (this.#child.stderr !== null)
      createInterface({ input: this.#child.stderr }).on('line', (line) => {
        const entry = parseLogLine(line);
        if (entry === undefined) this.#output = `${this.#output}${line}\n`.slice(-10_000);
        else if (this.log.push(entry) > maxLines) this.log.shift();
      });
  }

  static start(name: string, args: readonly string[]): Daemon {
    return new Daemon(name, args);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get isRunning(): boolean {
    return !this.#hasEnded;
  }

  /** Waits for a line of its log. */
  async says(msg: string, timeoutMs = 90_000): Promise<void> {
    await eventually(`${this.#name} says "${msg}"`, timeoutMs, () => {
      if (this.log.some((line) => line.msg === msg)) return;
      const words = this.log.map((line) => line.msg).slice(-5);
      throw new Error(`${this.#hasEnded ? 'it has ended' : 'it runs'}: ${words.join(' | ')} ${this.#output}`);
    });
  }

  /** Sends a signal and waits for the end. */
  async end(signal: NodeJS.Signals): Promise<void> {
    this.signal(signal);
    await eventually(`${this.#name} ends after ${signal}`, 20_000, () => {
      if (!this.#hasEnded) throw new Error(`process ${this.pid} runs`);
    });
  }

  signal(signal: NodeJS.Signals): void {
    if (!this.#hasEnded) this.#child.kill(signal);
  }
}
