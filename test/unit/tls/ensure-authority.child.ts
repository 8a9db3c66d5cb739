import { once } from 'node:events';
import { systemClock } from '../../../src/base/clock.ts';
import { openFileKeystore } from '../../../src/tls/file-keystore.ts';

/** Says `ready`, waits for a line, makes an authority and prints its fingerprint: a second process for the tests. */
const [folder = ''] = process.argv.slice(2);
const keystore = await openFileKeystore({ folder, clock: systemClock });
process.stdout.write('ready\n');
await once(process.stdin, 'data');
const authority = await keystore.ensureAuthority('orders', 'peer-1', 86_400_000);
process.stdout.write(`${authority.fingerprint}\n`);
process.stdin.destroy();
