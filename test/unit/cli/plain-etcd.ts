import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { systemClock } from '../../../src/base/clock.ts';
import { waitUntil } from '../../../src/base/wait.ts';
import { connectEtcd } from '../../../src/etcd/client.ts';
import { type Minor, requireRelease, testBinaries } from '../../support/binaries.ts';

/** One etcd without TLS, as many run it; its name is `solo`. */
export interface PlainEtcd {
  readonly url: string;
  etcdctl(...args: readonly string[]): Promise<string>;
  /** Writes that many values of 1 MiB that do not shrink. */
  fill(mebibytes: number): Promise<void>;
  kill(): Promise<void>;
  /** With the data that it has; healthy when it resolves. */
  start(): Promise<void>;
}

/** Its data go into `folder`, which the caller removes after `kill`. */
export async function startPlainEtcd(minor: Minor, folder: string): Promise<PlainEtcd> {
  const binary = await (await testBinaries()).ensure(requireRelease(minor));
  const [client, peer] = await Promise.all([freePort(), freePort()]);
  const url = `http://127.0.0.1:${client}`;
  const peerUrl = `http://127.0.0.1:${peer}`;
  const flags = {
    name: 'solo',
    'data-dir': join(folder, 'data'),
    'listen-client-urls': url,
    'advertise-client-urls': url,
    'listen-peer-urls': peerUrl,
    'initial-advertise-peer-urls': peerUrl,
    'initial-cluster': `solo=${peerUrl}`,
    'unsafe-no-fsync': 'true',
  };
  const args = Object.entries(flags)
    .filter(([flag]) => flag !== 'unsafe-no-fsync' || minor !== 'v34')
    .map(([flag, value]) => `--${flag}=${value}`);
  let child: ChildProcess | undefined;
  const etcdctl = async (...words: readonly string[]): Promise<string> => {
    const { stdout } = await promisify(execFile)(
      binary.etcdctl ?? 'etcdctl-is-missing',
      ['--endpoints', url, ...words],
      {
        env: { ETCDCTL_API: '3' },
      },
    );
    return stdout;
  };
  const made: PlainEtcd = {
    url,
    etcdctl,
    fill: async (mebibytes) => {
      for (let count = 0; count < mebibytes; count++) {
        const put = spawn(binary.etcdctl ?? 'etcdctl-is-missing', ['--endpoints', url, 'put', `large-${count}`], {
          env: { ETCDCTL_API: '3' },
          stdio: ['pipe', 'ignore', 'inherit'],
        });
        put.stdin?.end(noise(1024 ** 2, count + 1));
        const [code] = (await once(put, 'exit')) as [number | null];
        if (code !== 0) throw new Error(`put ended with ${code}`);
      }
    },
    kill: async () => {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    },
    start: async () => {
      child = spawn(binary.etcd, args, { stdio: 'ignore' });
      const etcd = connectEtcd({ endpoints: [url], clock: systemClock });
      try {
        const look = () => etcd.memberList().catch(() => undefined);
        const { seen } = await waitUntil(systemClock, { timeoutMs: 20_000, intervalMs: 50 }, look);
        if (!seen) throw new Error(`${url} did not become healthy`);
      } finally {
        etcd.close();
      }
    },
  };
  await made.start();
  return made;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Printable, without a space, and always the same. */
function noise(sizeBytes: number, seed: number): Buffer {
  const bytes = Buffer.alloc(sizeBytes);
  let state = seed;
  for (let index = 0; index < sizeBytes; index++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[index] = 48 + ((state >>> 24) % 64);
  }
  return bytes;
}
