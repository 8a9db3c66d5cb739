import { randomInt } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { QuorateError } from '../../base/errors.ts';

const lowest = 10_000;
const attempts = 200;

/**
 * First of `count` ports in a row that are free on 127.0.0.1. They lie below those that the kernel gives
 * to outgoing connections (`ip_local_port_range`), so that none is taken before it is listened on.
 */
export async function freePortRow(count: number): Promise<number> {
  const end = Math.max(await firstEphemeralPort(), lowest * 2);
  for (let attempt = 0; attempt < attempts; attempt++) {
    const first = randomInt(lowest / 10, Math.floor((end - count) / 10)) * 10;
    if (await areFree(first, count)) return first;
  }
  throw new QuorateError({
    code: 'no-free-ports',
    kind: 'transient',
    operation: 'choose ports on 127.0.0.1',
    summary: `${attempts} times, one of ${count} ports in a row between ${lowest} and ${end} was in use`,
    remedy: 'See with `ss -ltn` what listens there.',
  });
}

async function firstEphemeralPort(): Promise<number> {
  try {
    return Number((await readFile('/proc/sys/net/ipv4/ip_local_port_range', 'utf8')).trim().split(/\s+/)[0]) || 32_768;
  } catch {
    // The kernel's default.
    return 32_768;
  }
}

async function areFree(first: number, count: number): Promise<boolean> {
  const servers: Server[] = [];
  try {
    for (let port = first; port < first + count; port++) servers.push(await listen(port));
    return true;
  } catch {
    return false;
  } finally {
    await Promise.all(servers.map(close));
  }
}

function listen(port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}
