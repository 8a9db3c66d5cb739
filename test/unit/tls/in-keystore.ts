import { join } from 'node:path';
import type { Secret } from '../../../src/base/redact.ts';
import { openFileKeystore } from '../../../src/tls/file-keystore.ts';
import type { Keystore } from '../../../src/tls/keystore.ts';
import { clockAt, inTemporaryFolder, startMs } from './certificates.ts';

/** A new keystore in a folder of its own, which is removed afterwards. */
export function inKeystore(
  work: (keystore: Keystore, folder: string, clock: ReturnType<typeof clockAt>) => Promise<void>,
  secret?: Secret,
): Promise<void> {
  return inTemporaryFolder(async (parent) => {
    const folder = join(parent, 'state', 'keystore');
    const clock = clockAt(startMs);
    await work(await openFileKeystore({ folder, clock, passphrase: secret }), folder, clock);
  });
}
