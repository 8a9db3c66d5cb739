import { afterAll, beforeAll, describe } from 'vitest';
import { openStore } from '../../../src/backup/open-store.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { s3SkipReason } from '../../support/s3-program.ts';
import { type S3Server, startS3Server } from '../../support/s3-server.ts';
import { describeStoreContract } from './store-contract.ts';

describe.skipIf(s3SkipReason() !== undefined)('against a real S3 server', () => {
  let server: S3Server;
  let opened = 0;
  beforeAll(async () => {
    server = await startS3Server();
    Object.assign(process.env, server.env);
  });
  afterAll(() => server.stop());

  describeStoreContract('the S3 store', async () => {
    opened += 1;
    const url = server.storeUrl(`contract/${opened}`);
    const store = await openStore(url, 'orders', { log: silentLogger, clock: systemClock });
    return { store, close: async () => undefined };
  });
});
