import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, realpath } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** One temp folder for everything that a benchmark makes; what runs in it ends with it. */
export class Workshop {
  readonly folder: string;
  readonly #caretaker: ChildProcess;
  #folders = 0;

  private constructor(folder: string, caretaker: ChildProcess) {
    this.folder = folder;
    this.#caretaker = caretaker;
  }

  static async open(): Promise<Workshop> {
    const folder = await realpath(await mkdtemp(join(tmpdir(), 'quorate-bench-')));
    const script = fileURLToPath(new URL('caretaker.ts', import.meta.url));
    // In a session of its own: Ctrl-C in the terminal does not reach it.
    const caretaker = spawn(process.execPath, ['--import', 'tsx', script, folder], {
      detached: true,
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    await once(caretaker, 'spawn');
    return new Workshop(folder, caretaker);
  }

  /** A new folder, 0700. */
  async newFolder(name: string): Promise<string> {
    this.#folders += 1;
    const folder = join(this.folder, `${this.#folders}-${name}`);
    await mkdir(folder, { mode: 0o700 });
    return folder;
  }

  /** Ends every process that works in the folder, and removes it. */
  async close(): Promise<void> {
    if (this.#caretaker.exitCode !== null || this.#caretaker.signalCode !== null) return;
    const gone = once(this.#caretaker, 'exit');
    this.#caretaker.stdin?.end();
    await gone;
  }
}
