/** A drill to be killed: `drill-process.ts FOLDER NAME`. Says when its etcd runs, and then waits for its death. */

import { once } from 'node:events';
import { join } from 'node:path';
import { listBackups } from '../../../src/backup/catalog.ts';
import { openFileStore } from '../../../src/backup/file-store.ts';
import { unpackBackup } from '../../../src/backup/unpack.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { openWorkFolder } from '../../../src/coordination/work-folder.ts';
import { restoreScratch, startScratch } from '../../../src/etcd/scratch.ts';
import { testBinaries } from '../../support/binaries.ts';

const [base = '', name = ''] = process.argv.slice(2);
const clock = systemClock;
const store = openFileStore({ folder: join(base, 'store'), cluster: 'orders', clock, log: silentLogger });
const backup = (await listBackups(store)).find((candidate) => candidate.name === name);
if (backup === undefined) throw new Error(`there is no backup ${name}`);
const folder = await openWorkFolder({ root: join(base, 'drills'), clock, log: silentLogger });
const { path, mark } = folder;
const file = join(path, 'snapshot.db');
await unpackBackup({ store, name, proof: backup.proof, file, clock });
const binary = await (await testBinaries()).ensure(backup.etcdVersion);
const scratch = { binary, folder: path, mark, clock, timeoutMs: 30_000 };
await restoreScratch(scratch, file);
await startScratch(scratch);
process.stdout.write('it runs\n');
// Until the parent kills us, or has gone.
await once(process.stdin.resume(), 'end');
await folder.close();
