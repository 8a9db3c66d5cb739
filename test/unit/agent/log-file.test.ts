import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdtemp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lastWords, readLastLines, rotateLog } from '../../../src/agent/log-file.ts';
import { waitFor } from './fleet.ts';

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'quorate-log-'));
  path = join(folder, 'etcd.log');
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('rotation', () => {
  it('copies a full log and empties it, and keeps so many', async () => {
    for (let round = 1; round <= 5; round++) {
      await appendFile(path, `round ${round}\n`.repeat(20), { mode: 0o600 });
      expect(await rotateLog(path, { maxBytes: 100, keep: 3 })).toBe(true);
    }
    expect((await readdir(folder)).toSorted()).toEqual(['etcd.log', 'etcd.log.1', 'etcd.log.2', 'etcd.log.3']);
    expect(await readFile(`${path}.1`, 'utf8')).toContain('round 5');
    expect(await readFile(`${path}.3`, 'utf8')).toContain('round 3');
    expect((await stat(path)).size).toBe(0);
    expect((await stat(`${path}.1`)).mode & 0o777).toBe(0o600);
  });

  it('leaves a small log and a missing one alone', async () => {
    expect(await rotateLog(path, { maxBytes: 100, keep: 3 })).toBe(false);
    await writeFile(path, 'short');
    expect(await rotateLog(path, { maxBytes: 100, keep: 3 })).toBe(false);
    expect(await readdir(folder)).toEqual(['etcd.log']);
  });

  it('goes on under a process that holds the log open, without holes', async () => {
    const handle = await open(path, 'a', 0o600);
    const child = spawn('/bin/sh', ['-c', 'echo before; read line; echo after'], {
      stdio: ['pipe', handle.fd, handle.fd],
    });
    await waitFor('the first line', async () => (await readFile(path, 'utf8')) === 'before\n');
    await rotateLog(path, { maxBytes: 1, keep: 1 });
    child.stdin?.end('go\n');
    await once(child, 'exit');
    await handle.close();
    expect(await readFile(path, 'utf8')).toBe('after\n');
    expect(await readLastLines(path, 10)).toEqual(['before', 'after']);
  });
});

describe('the last lines', () => {
  it('are those asked for, oldest first, reaching into the rotated log', async () => {
    await writeFile(`${path}.1`, 'one\ntwo\n');
    await writeFile(path, 'three\nfour');
    expect(await readLastLines(path, 3)).toEqual(['two', 'three', 'four']);
    expect(await readLastLines(path, 0)).toEqual([]);
    expect(await readLastLines(join(folder, 'missing'), 5)).toEqual([]);
  });

  it('are found in a log of any length by reading its end alone', async () => {
    const line = 'x'.repeat(1000);
    await writeFile(path, Array.from({ length: 6000 }, (_, index) => `${index} ${line}`).join('\n'));
    const two = await readLastLines(path, 2);
    expect(two.map((text) => text.split(' ')[0])).toEqual(['5998', '5999']);
    const many = await readLastLines(path, 10_000);
    expect(many.length).toBeLessThan(4500);
    expect(many.at(-1)).toMatch(/^5999 /);
  });

  it('hold no key, and of a mistake in the flags the mistake and not the help', async () => {
    await writeFile(path, 'https://user:secret@host/\n');
    expect(await readLastLines(path, 1)).toEqual(['https://(redacted)@host/']);
    expect(lastWords(['started', 'invalid value', '', 'Usage:', '', '  etcd [flags]'], 1)).toEqual(['invalid value']);
    expect(lastWords(['Usage:', 'x'], 5)).toEqual(['Usage:', 'x']);
  });
});
