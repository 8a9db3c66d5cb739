/**
 * `caretaker.ts FOLDER`: waits for the end of its standard input, which is a pipe from the benchmark. However that
 * one ended, even by SIGKILL, nothing that it started outlives it, and its folder goes.
 */
import { rm } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { endProcessesBelow } from './processes.ts';

const [, , folder] = process.argv;

await text(process.stdin);
if (folder !== undefined) {
  await endProcessesBelow(folder);
  await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}
