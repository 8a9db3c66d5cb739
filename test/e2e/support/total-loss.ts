import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Fleet } from './fleet.ts';
import { killHard, processesWith } from './processes.ts';

/** The machines are lost: agents and etcd die, and nothing is left of what was on their disks. Then empty ones come. */
export async function loseEverything(fleet: Fleet, hosts: readonly string[]): Promise<void> {
  await loseData(fleet, hosts, 'hosts');
}

/** The data disks are lost; the agents' own memory is elsewhere. */
export async function loseDisks(fleet: Fleet, hosts: readonly string[]): Promise<void> {
  await loseData(fleet, hosts, 'data');
}

async function loseData(fleet: Fleet, hosts: readonly string[], what: 'hosts' | 'data'): Promise<void> {
  await Promise.all(hosts.map((host) => fleet.killAgent(host)));
  for (const host of hosts) {
    await killHard((await processesWith(`--data-dir=${fleet.memberFolder(host)}/data`)).map(({ pid }) => pid));
    const folder = what === 'hosts' ? join(fleet.folder, 'hosts', host) : join(fleet.memberFolder(host), 'data');
    await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  }
  await fleet.startAgents(hosts);
}
