import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Program } from './fleet-processes.ts';

/** Cleans up after the demo when the demo cannot do so itself. */
export interface Caretaker {
  /** Nothing is left to do, or all is meant to stay; resolves when the caretaker is gone. */
  dismiss(): Promise<void>;
}

// The same from src/cli and from dist/cli.
const script = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? 'stop.ts' : 'stop.js', import.meta.url));

/** What ends the demo in a folder, by hand too. */
export function stopCommand([node, ...options]: Program, folder: string): readonly string[] {
  return [node, ...options.slice(0, -1), script, folder];
}

/** A process in a session of its own that holds the other end of a pipe from us: see `stop.ts`. */
export async function startCaretaker(program: Program, folder: string): Promise<Caretaker> {
  const [command = '', ...args] = stopCommand(program, folder);
  const child = spawn(command, [...args, '--after-parent'], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  await once(child, 'spawn');
  // It may have been ended by somebody; then there is nobody to tell.
  child.stdin.on('error', () => undefined);
  child.unref();
  return {
    dismiss: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      // Nothing else may keep this process up while it waits.
      child.ref();
      child.stdin.end('settled\n');
      await gone;
    },
  };
}
