import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../../src/base/clock.ts';
import { QuorateError } from '../../../src/base/errors.ts';
import { init, parseHost } from '../../../src/cli/init.ts';
import type { Terminal } from '../../../src/cli/terminal.ts';

/** What a command printed. */
export interface Screen extends Terminal {
  out: (text: string) => void;
  err: (text: string) => void;
  readonly printed: () => string;
  readonly complained: () => string;
}

export function screen(): Screen {
  const [out, err]: [string[], string[]] = [[], []];
  return {
    out: (text) => out.push(text),
    err: (text) => err.push(text),
    hasColor: false,
    printed: () => out.join(''),
    complained: () => err.join(''),
  };
}

export interface FleetOptions {
  readonly hosts?: readonly string[];
  readonly clock?: Clock;
}

/** Runs `work` on a folder that init has just made, and removes it. */
export async function inFleetFolder(options: FleetOptions, work: (dir: string) => Promise<void>): Promise<void> {
  const parent = await mkdtemp(join(tmpdir(), 'quorate-fleet-'));
  try {
    await mkdir(join(parent, 'home'));
    const environment = { PATH: process.env['PATH'], HOME: join(parent, 'home') };
    const dir = join(parent, 'fleet');
    const hosts = options.hosts?.map(parseHost);
    await init({ dir, environment, hosts, clock: options.clock }, { write: () => undefined });
    await work(dir);
  } finally {
    await rm(parent, { recursive: true, force: true });
  }
}

/** Ports on 127.0.0.1 that nobody listens on, all different. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers: Server[] = [];
  try {
    for (let index = 0; index < count; index++) {
      const server = createServer();
      servers.push(server);
      await new Promise<void>((resolve) => {
        server.listen(0, '127.0.0.1', resolve);
      });
    }
    return servers.map((server) => {
      const address = server.address();
      return typeof address === 'object' && address !== null ? address.port : 0;
    });
  } finally {
    for (const server of servers) server.close();
  }
}

/** The QuorateError that is thrown; fails the test when something else comes, or nothing. */
export async function errorOf(work: Promise<unknown>): Promise<QuorateError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof QuorateError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}
