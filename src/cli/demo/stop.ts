/**
 * Ends a demo and removes its folder: `node stop.js FOLDER`. With `--after-parent` it waits for the end
 * of its standard input first, a pipe from the demo: however that one ended, even by SIGKILL, its etcd
 * does not outlive it. A line on the pipe says that nothing is left to do.
 */
import { text } from 'node:stream/consumers';
import { systemClock } from '../../base/clock.ts';
import { exitCodeOf } from '../exit-codes.ts';
import { errorText, processTerminal } from '../terminal.ts';
import { removeDemoFolder } from './demo-folder.ts';

const [folder, mode] = process.argv.slice(2);

try {
  if (folder === undefined) throw new Error('usage: node stop.js FOLDER');
  const isSettled = mode === '--after-parent' && (await text(process.stdin)) !== '';
  if (!isSettled) await removeDemoFolder(folder, systemClock);
} catch (error) {
  processTerminal.err(errorText(error));
  process.exitCode = exitCodeOf(error);
}
