import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { waitUntil } from '../../../src/base/wait.ts';
import { skipReason } from '../../support/binaries.ts';
import { contents, everything, put, type Side, startSide } from '../etcd/copy-fixture.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const timeout = 120_000;

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function start(args: readonly string[]): { readonly child: ChildProcess; readonly ended: Promise<Ended> } {
  const child = spawn(process.execPath, ['--import', 'tsx', join(root, 'src/cli/main.ts'), 'copy-keys', ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const texts = { out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => {
    texts.out += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    texts.err += chunk.toString();
  });
  return { child, ended: once(child, 'close').then(([code]) => ({ code: code as number | null, ...texts })) };
}

describe.skipIf(skipReason('v36') !== undefined)('quorate copy-keys', () => {
  const sides: Side[] = [];
  let source: Side;
  let target: Side;
  let words: readonly string[];

  beforeAll(async () => {
    sides.push(...(await Promise.all([startSide('v36'), startSide('v36')])));
    const [one, other] = sides;
    if (one === undefined || other === undefined) throw new Error('two clusters are wanted');
    [source, target] = [one, other];
    words = [...wordsOf('from', source), ...wordsOf('to', target)];
    for (let index = 0; index < 4000; index += 100)
      await put(source.keys, ...Array.from({ length: 100 }, (_, step) => ({ key: `key-${index + step}`, value: 'v' })));
  }, timeout);
  afterAll(async () => {
    await Promise.all(sides.map((side) => side.close()));
  });

  const wordsOf = (option: 'from' | 'to', { cluster, member }: Side): readonly string[] => [
    `--${option}=${member.clientUrl}`,
    `--${option}-cacert=${cluster.file('client.ca')}`,
    `--${option}-cert=${cluster.file('client.crt')}`,
    `--${option}-key=${cluster.file('client.key')}`,
  ];

  it(
    'says what it would do, copies, is killed, and is continued',
    async () => {
      const dry = await start([...words, '--dry-run']).ended;
      expect(dry).toMatchObject({ code: 0, err: '' });
      expect(dry.out).toContain('would copy 4000 keys and 0 leases as they are at revision 41');
      expect((await target.keys.head()).keyCount).toBe(0);

      // One key at a time, so that there is time to kill it.
      const killed = start([...words, '--max-txn-ops=1']);
      const reached = await waitUntil(systemClock, { timeoutMs: 60_000, intervalMs: 2 }, async () =>
        (await target.keys.head()).keyCount > 200 ? true : undefined,
      );
      killed.child.kill('SIGKILL');
      expect(reached.seen).toBe(true);
      expect((await killed.ended).err).toContain('copying 4000 keys as they are at revision 41');

      const held = (await target.keys.head()).keyCount;
      const stopped = start([...words, '--continue', '--revision=41', '--max-txn-ops=1']);
      await waitUntil(systemClock, { timeoutMs: 60_000, intervalMs: 2 }, async () =>
        (await target.keys.head()).keyCount > held + 50 ? true : undefined,
      );
      stopped.child.kill('SIGTERM');
      const told = await stopped.ended;
      expect(told.code).toBe(1);
      expect(told.err).toContain('[copy-interrupted]');
      expect(told.err).toContain('--continue --revision 41');

      const refused = await start(words).ended;
      expect(refused.code).toBe(10);
      expect(refused.err).toContain('[target-not-empty]');
      expect(refused.err).toContain('--continue');

      const done = await start([...words, '--continue', '--revision=41']).ended;
      expect(done.code).toBe(0);
      expect(done.out).toContain('copied 4000 keys and 0 leases of revision 41');
      expect(contents(await everything(target.keys))).toEqual(contents(await everything(source.keys)));
    },
    timeout,
  );

  it(
    'takes no half of a pair, no other scheme, and no file that is not there',
    async () => {
      const [from = ''] = words;
      for (const [args, text] of [
        [[from, '--to=https://127.0.0.1:1', '--to-cert=/tmp/a.pem'], '--to: a certificate and its key go together'],
        [['--from=ftp://a', '--to=https://127.0.0.1:1'], '--from: "ftp://a" is no client URL'],
        [[from, '--to=https://127.0.0.1:1', '--to-cacert=/nowhere/ca.pem'], '[file-unreadable]'],
      ] as const) {
        const ended = await start(args).ended;
        expect(ended.code).toBe(3);
        expect(ended.err).toContain(text);
      }
    },
    timeout,
  );
});
