/** `s3-writer.ts STORE_URL MIB`: streams that much into an S3 store and prints one JSON line on the memory it took. */
import { randomBytes } from 'node:crypto';
import { openStore } from '../../../src/backup/open-store.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';

const [url = '', mebibytes = '1'] = process.argv.slice(2);
const store = await openStore(url, 'orders', { log: silentLogger, clock: systemClock });
// The first use loads what is loaded only once.
await store.list('');

const rssBeforeBytes = process.memoryUsage().rss;
let rssMaxBytes = 0;

async function* source(): AsyncGenerator<Uint8Array> {
  const block = randomBytes(1024 * 1024);
  for (let index = 0; index < Number(mebibytes) * 4; index++) {
    block.writeUInt32LE(index, 0);
    rssMaxBytes = Math.max(rssMaxBytes, process.memoryUsage().rss);
    // A new buffer each time, as the compressor gives them.
    yield Buffer.from(block.subarray(0, 256 * 1024));
  }
}

const { sizeBytes } = await store.writeStream('x/large', source());
process.stdout.write(`${JSON.stringify({ sizeBytes, rssBeforeBytes, rssMaxBytes })}\n`);
