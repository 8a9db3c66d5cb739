import { systemClock } from '../../../src/base/clock.ts';
import { describeError, QuorateError } from '../../../src/base/errors.ts';
import { silentLogger } from '../../../src/base/log.ts';
import type { BinariesOptions } from '../../../src/etcd/binaries.ts';
import { createBinaries } from '../../../src/etcd/binaries.ts';

// A process of its own that fetches one release: `binaries-child.ts VERSION OPTIONS-AS-JSON`. Prints one line of JSON.
const [version = '', options = '{}'] = process.argv.slice(2);
const given = JSON.parse(options) as Pick<BinariesOptions, 'dirs' | 'sources' | 'cacheDir' | 'releaseUrl'>;
const binaries = createBinaries({ ...given, clock: systemClock, log: silentLogger });
try {
  process.stdout.write(`${JSON.stringify({ etcd: (await binaries.ensure(version)).etcd })}\n`);
} catch (error) {
  const fields = error instanceof QuorateError ? { code: error.code, remedy: error.remedy } : {};
  process.stdout.write(`${JSON.stringify({ ...fields, message: describeError(error) })}\n`);
}
