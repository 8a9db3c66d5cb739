import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openFileStore } from '../../../src/backup/file-store.ts';
import { storeFault } from '../../../src/backup/store-errors.ts';
import { openStoreMemory } from '../../../src/backup/store-memory.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { describeStoreContract } from './store-contract.ts';
import { errorOf, streamOf } from './streams.ts';

const common = { log: silentLogger, clock: systemClock };
let temporary: string;
let base: string;

beforeEach(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'quorate-store-'));
  base = join(temporary, 'base');
});
afterEach(() => rm(temporary, { recursive: true, force: true }));

const open = (cluster = 'orders') => openFileStore({ folder: base, cluster, ...common });
const remembering = () =>
  openFileStore({ folder: base, cluster: 'orders', ...common, memory: openStoreMemory(join(temporary, 'state')) });

const run = (program: string, ...args: string[]) => spawnSync(program, args).status;

describeStoreContract('the file store', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-contract-'));
  const store = openFileStore({ folder, cluster: 'orders', ...common });
  return { store, close: () => rm(folder, { recursive: true, force: true }) };
});

describe('files of the file store', () => {
  it('are private, and nothing but them stays behind', async () => {
    const store = open();
    await store.write('a/b', 'x');
    await store.writeStream('a/c', streamOf(new Uint8Array(10)));
    await store.write('a/b', 'y', { type: 'if-tag', tag: (await store.read('a/b'))?.tag ?? '' });
    const mode = async (...path: string[]) => ((await lstat(join(base, ...path))).mode & 0o777).toString(8);
    for (const folder of [[], ['orders'], ['orders', 'a'], ['orders', '.quorate-work']]) {
      expect(await mode(...folder)).toBe('700');
    }
    for (const file of ['a/b', 'a/c', '.quorate-store']) expect(await mode('orders', file)).toBe('600');
    expect(await readdir(join(base, 'orders', '.quorate-work'))).toEqual([]);
    expect((await readdir(join(base, 'orders'))).toSorted()).toEqual(['.quorate-store', '.quorate-work', 'a']);
    expect((await stat(join(base, 'orders', 'a', 'b'))).nlink).toBe(1);
  });

  it('do not keep empty folders of deleted objects', async () => {
    const store = open();
    await store.write('a/b/c', 'x');
    await store.delete('a/b/c');
    expect(await readdir(join(base, 'orders'))).not.toContain('a');
  });

  it('are never reached through a symbolic link', async () => {
    const store = open();
    await store.write('real/x', 'inside');
    const outside = join(temporary, 'outside');
    await mkdir(outside);
    await writeFile(join(outside, 'x'), 'outside');
    await symlink(outside, join(base, 'orders', 'linked'));
    await symlink(join(outside, 'x'), join(base, 'orders', 'file'));
    for (const act of [
      () => store.read('linked/x'),
      () => store.open('linked/x'),
      () => store.write('linked/x', 'no'),
      () => store.write('linked/new', 'no', { type: 'if-absent' }),
      () => store.writeStream('linked/new', streamOf(new Uint8Array(1))),
      () => store.delete('linked/x'),
      () => store.read('file'),
    ]) {
      expect((await errorOf(act())).code).toBe('store-denied');
    }
    expect((await errorOf(store.write('file', 'no', { type: 'if-absent' }))).code).toBe('store-conflict');
    expect((await store.list('')).map((object) => object.key)).toEqual(['real/x']);
    // A plain write replaces the link, not what it points to.
    await store.write('file', 'mine');
    expect(await readFile(join(outside, 'x'), 'utf8')).toBe('outside');
    expect(await readdir(outside)).toEqual(['x']);
  });

  it('are never reached through a linked cluster folder', async () => {
    await open('other').write('x', 'y');
    await symlink(join(base, 'other'), join(base, 'orders'));
    expect((await errorOf(open().list(''))).code).toBe('store-denied');
    expect((await errorOf(open().write('a', 'b'))).code).toBe('store-denied');
  });

  it('may lie behind a link to the base, which is the operator’s own', async () => {
    await mkdir(join(temporary, 'disk'));
    await symlink(join(temporary, 'disk'), base);
    await open().write('a', 'b');
    expect((await open().read('a'))?.content).toBe('b');
  });

  it('are plain files, never a pipe that hangs', async () => {
    const store = open();
    await store.write('a', 'b');
    expect(run('mkfifo', join(base, 'orders', 'pipe'))).toBe(0);
    expect((await errorOf(store.read('pipe'))).code).toBe('store-denied');
  });

  it('says so when the folder may not be written', async () => {
    // Where nobody may make a folder, not even root.
    const store = openFileStore({ folder: '/sys/quorate', cluster: 'orders', ...common });
    expect((await errorOf(store.write('c/d', 'x'))).code).toBe('store-denied');
  });
});

describe('what a dead writer left', () => {
  const work = () => join(base, 'orders', '.quorate-work');
  const deadName = `${'0'.repeat(12)}-1-1-${'0'.repeat(16)}.tmp`;
  const age = (path: string, ms: number) => utimes(path, (Date.now() - ms) / 1000, (Date.now() - ms) / 1000);

  it('is removed after an hour, not before', async () => {
    await open().write('a', 'b');
    await writeFile(join(work(), deadName), 'part');
    await open().write('a', 'c');
    expect(await readdir(work())).toEqual([deadName]);
    await age(join(work(), deadName), 3_700_000);
    await open().write('a', 'd');
    expect(await readdir(work())).toEqual([]);
  });

  it('does not include the file of a writer that lives, however slow', async () => {
    const store = open();
    await store.write('a', 'b');
    let name = '';
    async function* slow(): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(10);
      name = (await readdir(work()))[0] ?? '';
      await age(join(work(), name), 7_200_000);
      await open().write('a', 'c');
      expect(await open().removeUnfinishedUploads(Date.now())).toBe(0);
      yield new Uint8Array(10);
    }
    expect(await store.writeStream('slow', slow())).toEqual({ sizeBytes: 20 });
    expect(name).toMatch(/\.tmp$/);
  });

  it('is a lock that the next writer breaks, at once when it sees the death', async () => {
    const store = open();
    await store.write('a', 'b');
    const child = spawnSync(process.execPath, ['-e', 'process.exit()']);
    const lock = join(work(), `${createHash('sha256').update('a').digest('hex').slice(0, 32)}.lock`);
    const realm = await ownRealm(store);
    await writeFile(lock, JSON.stringify({ realm, pid: child.pid, startTicks: '12345', token: 'x' }));
    await store.write('a', 'c');
    expect((await store.read('a'))?.content).toBe('c');
    // From another machine nothing is known but the age.
    await writeFile(lock, JSON.stringify({ realm: 'elsewhere', pid: 1, startTicks: '1', token: 'x' }));
    await age(lock, 61_000);
    await store.write('a', 'd');
    expect((await store.read('a'))?.content).toBe('d');
    expect(await readdir(work())).toEqual([]);
  });

  /** The realm of this process, as the name of a temporary file shows it. */
  async function ownRealm(store: ReturnType<typeof open>): Promise<string> {
    let realm = '';
    async function* looking(): AsyncGenerator<Uint8Array> {
      realm = (await readdir(work())).find((name) => name.endsWith('.tmp'))?.slice(0, 12) ?? '';
      yield new Uint8Array(1);
    }
    await store.writeStream('look', looking());
    return realm;
  }
});

describe('a store that is not there', () => {
  it('is no empty store when even the folder above is missing', async () => {
    const store = openFileStore({ folder: join(temporary, 'no', 'base'), cluster: 'orders', ...common });
    for (const act of [() => store.list(''), () => store.read('a'), () => store.write('a', 'b')]) {
      expect((await errorOf(act())).code).toBe('store-unreachable');
    }
  });

  it('is not made by looking', async () => {
    expect(await remembering().list('')).toEqual([]);
    expect(await readdir(temporary)).toEqual([]);
  });

  it.each([
    ['unmounted: the base is an empty folder', async () => mkdir(base)],
    ['gone: the base does not exist', async () => undefined],
    [
      'emptied: the folder of the cluster is missing',
      async () => {
        await mkdir(base);
        await rename(join(temporary, 'kept', '.quorate-store'), join(base, '.quorate-store'));
      },
    ],
    [
      'another one: mounted at the same place',
      async () => {
        await open('else').write('a', 'b');
      },
    ],
  ])('is never empty once it was known: %s', async (_what, replace) => {
    const running = remembering();
    await running.write('control/quorate.json', 'record');
    await rename(base, join(temporary, 'kept'));
    await replace();
    for (const store of [running, remembering()]) {
      for (const act of [
        () => store.list(''),
        () => store.read('control/quorate.json'),
        () => store.open('control/quorate.json'),
        () => store.write('control/quorate.json', 'new', { type: 'if-absent' }),
        () => store.writeStream('a/b', streamOf(new Uint8Array(1))),
        () => store.delete('control/quorate.json'),
      ]) {
        expect((await errorOf(act())).code).toBe('store-unreachable');
      }
    }
  });

  it('is the same again when it is back', async () => {
    await remembering().write('a', 'b');
    await rename(base, join(temporary, 'kept'));
    expect((await errorOf(remembering().read('a'))).code).toBe('store-unreachable');
    await rename(join(temporary, 'kept'), base);
    expect((await remembering().read('a'))?.content).toBe('b');
  });

  it('is not forgotten because the memory is damaged', async () => {
    await remembering().write('a', 'b');
    for (const name of await readdir(join(temporary, 'state'))) await writeFile(join(temporary, 'state', name), '{');
    expect((await errorOf(remembering().read('a'))).code).toBe('state-unreadable');
  });

  it('is told from a folder that another program filled, which is read and then adopted', async () => {
    await mkdir(join(base, 'orders', 'x'), { recursive: true });
    await writeFile(join(base, 'orders', 'x', 'y'), 'theirs');
    expect((await remembering().list('')).map((object) => object.key)).toEqual(['x/y']);
    expect(await readdir(base)).toEqual(['orders']);
    await remembering().write('a', 'b');
    expect(await readdir(base)).toContain('.quorate-store');
    expect((await remembering().read('x/y'))?.content).toBe('theirs');
  });

  it('does not take a damaged marker for none', async () => {
    await open().write('a', 'b');
    await writeFile(join(base, '.quorate-store'), '');
    expect((await errorOf(open().list(''))).code).toBe('store-denied');
  });
});

/** Mounts a file system of 1 MiB; false where that is not allowed. */
function mountSmall(folder: string): boolean {
  return run('mount', '-t', 'tmpfs', '-o', 'size=1m,mode=700', 'quorate-test', folder) === 0;
}

describe('a full disk', () => {
  it('says what was needed and where, lists nothing, loses nothing', async () => {
    await mkdir(base);
    const isMounted = mountSmall(base);
    try {
      const store = open();
      await store.write('control/a', 'kept');
      // Without a small disk, a device that is always full takes its place; see also interrupted.test.ts.
      const error = isMounted
        ? await errorOf(store.writeStream('x/big', streamOf(new Uint8Array(4 * 1024 * 1024))))
        : storeFault(await systemErrorOf(writeFile('/dev/full', 'x')), 'write x/big', base);
      expect(error.code).toBe('store-full');
      expect(error.summary).toContain(base);
      expect(error.summary).toMatch(
        isMounted ? /at least .* were needed and .* fitted; free are .* of 1\.0 MiB/ : /ENOSPC/,
      );
      expect((await store.list('')).map((object) => object.key)).toEqual(['control/a']);
      expect(await readdir(join(base, 'orders', '.quorate-work'))).toEqual([]);
      await store.write('control/a', 'and goes on');
      expect((await store.read('control/a'))?.content).toBe('and goes on');
    } finally {
      if (isMounted) run('umount', base);
    }
  });
});

async function systemErrorOf(act: Promise<unknown>): Promise<unknown> {
  return act.catch((error: unknown) => error);
}
