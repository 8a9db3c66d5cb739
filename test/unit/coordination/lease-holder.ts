import { spawn } from 'node:child_process';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { openLocalCoordination } from '../../../src/coordination/local-lease.ts';

/**
 * A process of its own: takes the lease of cluster `orders` in the folder of its argument, tells what it
 * got on one line, and lives until it is killed or its input ends. With `--child` it leaves a child behind.
 */
const [stateDir = '', option] = process.argv.slice(2);
const coordination = openLocalCoordination({ stateDir, clock: systemClock, log: silentLogger });
const lease = await coordination.tryAcquire('orders', 'test holder');
const child = option === '--child' ? spawn('sleep', ['60'], { stdio: 'ignore', detached: true }) : undefined;
const told = lease.held ? { held: true, epoch: lease.epoch } : lease;
process.stdout.write(`${JSON.stringify({ ...told, childPid: child?.pid })}\n`);
process.stdin.resume().on('end', () => process.exit(0));
