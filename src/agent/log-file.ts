import { chmod, copyFile, open, rename, rm, stat, truncate } from 'node:fs/promises';
import { systemErrorCode } from '../base/errors.ts';
import { redact } from '../base/redact.ts';

export interface RotationOptions {
  /** A log of this size is rotated. */
  readonly maxBytes: number;
  /** How many rotated logs are kept. */
  readonly keep: number;
}

export const logRotation: RotationOptions = { maxBytes: 64 * 1024 * 1024, keep: 5 };

/** Most that one reading of a log takes from disk, whatever the number of lines asked for. */
const maxTailBytes = 4 * 1024 * 1024;
const blockBytes = 64 * 1024;

/**
 * Rotates by copy and truncate, because the process holds the file open; it appends, so its next line goes
 * to the start of the emptied file. Lines written between the two are lost, which is a moment's worth.
 * When there is no room for a copy the log is emptied all the same once it is twice too large.
 */
export async function rotateLog(path: string, options: RotationOptions): Promise<boolean> {
  const size = await sizeOf(path);
  if (size < options.maxBytes) return false;
  for (let index = options.keep; index >= 1; index--) {
    if (index === options.keep) await rm(`${path}.${index}`, { force: true });
    else await renameIfExists(`${path}.${index}`, `${path}.${index + 1}`);
  }
  try {
    await copyFile(path, `${path}.1`);
    await chmod(`${path}.1`, 0o600);
  } catch (error) {
    await rm(`${path}.1`, { force: true });
    if (size < 2 * options.maxBytes) throw error;
  }
  await truncate(path, 0);
  return true;
}

/** Last lines of a log, oldest first, going back into the newest rotated one; what looks secret is blanked. */
export async function readLastLines(path: string, lines: number): Promise<readonly string[]> {
  const current = await tail(path, lines);
  const older = current.length < lines ? await tail(`${path}.1`, lines - current.length) : [];
  return [...older, ...current].map((line) => redact(line));
}

/** What a process said last, for people: not the help that etcd prints after a mistake in its flags, no empty lines. */
export function lastWords(lines: readonly string[], count: number): readonly string[] {
  const usage = lines.findLastIndex((line) => line.startsWith('Usage:'));
  const words = (usage > 0 ? lines.slice(0, usage) : lines).filter((line) => line.trim() !== '');
  return words.slice(-count);
}

async function tail(path: string, lines: number): Promise<readonly string[]> {
  if (lines <= 0) return [];
  let handle: Awaited<ReturnType<typeof open>>;
  try {
    handle = await open(path, 'r');
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return [];
    throw error;
  }
  try {
    const size = (await handle.stat()).size;
    const blocks: Buffer[] = [];
    let start = size;
    let newlines = 0;
    while (start > 0 && newlines <= lines && size - start < maxTailBytes) {
      const length = Math.min(blockBytes, start);
      start -= length;
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(length), 0, length, start);
      const block = buffer.subarray(0, bytesRead);
      blocks.unshift(block);
      for (const byte of block) if (byte === 0x0a) newlines += 1;
    }
    const found = Buffer.concat(blocks).toString('utf8').split('\n');
    if (found.at(-1) === '') found.pop();
    // The first line is cut off unless the reading reached the start of the file.
    if (start > 0 && found.length > 1) found.shift();
    return found.slice(-lines);
  } finally {
    await handle.close();
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return 0;
    throw error;
  }
}

async function renameIfExists(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT') throw error;
  }
}
