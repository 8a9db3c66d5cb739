import { systemClock } from '../base/clock.ts';
import { addHost } from './fleet/add.ts';
import { listFleet } from './fleet/list.ts';
import { renewFleet } from './fleet/renew.ts';
import { parseHost } from './init/hosts.ts';
import type { Terminal } from './terminal.ts';

/** `quorate fleet add`. `host` is `NAME=IP:PORT`. */
export async function fleetAddCommand(dir: string, options: { host: string }, terminal: Terminal): Promise<number> {
  return addHost(dir, parseHost(options.host), systemClock, terminal);
}

/** `quorate fleet renew`. */
export async function fleetRenewCommand(dir: string, options: { all?: boolean }, terminal: Terminal): Promise<number> {
  return renewFleet(dir, options.all === true, systemClock, terminal);
}

/** `quorate fleet list`. */
export async function fleetListCommand(
  dir: string,
  options: { format: 'text' | 'json' },
  terminal: Terminal,
): Promise<number> {
  return listFleet(dir, options.format, systemClock, terminal);
}
