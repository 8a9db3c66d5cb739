import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { systemClock } from '../../src/base/clock.ts';
import { describeError } from '../../src/base/errors.ts';
import { waitUntil } from '../../src/base/wait.ts';
import { requireS3Program } from './s3-program.ts';
import type { SigningKey } from './sign-s3.ts';

export interface S3Server {
  /** `http://127.0.0.1:40001` */
  readonly endpoint: string;
  readonly bucket: string;
  /** Objects of the bucket lie here as plain files, `<prefix>/<cluster>/<key>`; a test may alter them. */
  readonly folder: string;
  /** What the SDK finds credentials in: for child processes, or `Object.assign(process.env, server.env)`. */
  readonly env: Readonly<Record<string, string>>;
  readonly signingKey: SigningKey;
  /** For `backup.store`; through another endpoint when something stands before the server. */
  storeUrl(prefix: string, endpoint?: string): string;
  /** Freezes the server: connections stand, nothing is answered. */
  pause(): void;
  resume(): void;
  /** Ends the server and removes all that it held. */
  stop(): Promise<void>;
}

const accessKey = 'quorate-test';
const secretKey = 'quorate-test-secret';
const bucket = 'backups';

/** Starts a real S3 server on a free port of the loopback, with one empty bucket. */
export async function startS3Server(): Promise<S3Server> {
  // The SDK would print a notice about the end of Node 20 into the results of the tests.
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';
  const temporary = await mkdtemp(join(tmpdir(), 'quorate-s3-'));
  const root = join(temporary, 'root');
  const sidecar = join(temporary, 'sidecar');
  for (const folder of [root, sidecar]) await mkdir(folder);
  try {
    // Another process may take the port between being found and being used.
    for (let attempt = 1; ; attempt++) {
      try {
        return await start(await freePort(), temporary, root, sidecar);
      } catch (error) {
        if (attempt === 3) throw error;
      }
    }
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
}

async function start(port: number, temporary: string, root: string, sidecar: string): Promise<S3Server> {
  const address = `127.0.0.1:${port}`;
  const endpoint = `http://${address}`;
  // Attributes of objects in files beside them: not every temp folder is on a file system that can hold them.
  const args = ['--port', address, '--keep-alive', '--quiet', 'posix', '--sidecar', sidecar, root];
  const child = spawn(requireS3Program(), args, {
    cwd: temporary,
    env: { PATH: process.env['PATH'], ROOT_ACCESS_KEY: accessKey, ROOT_SECRET_KEY: secretKey },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-4000);
  });
  const exited = once(child, 'exit');
  exited.catch(() => undefined);
  const end = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exited;
  };
  try {
    await makeBucket(endpoint, () => child.exitCode === null && child.signalCode === null);
  } catch (error) {
    await end();
    throw new Error(`the S3 server did not start: ${describeError(error)}; it said: ${said}`, { cause: error });
  }
  return {
    endpoint,
    bucket,
    folder: join(root, bucket),
    signingKey: { accessKey, secretKey },
    env: {
      AWS_ACCESS_KEY_ID: accessKey,
      AWS_SECRET_ACCESS_KEY: secretKey,
      AWS_SESSION_TOKEN: '',
      AWS_PROFILE: '',
      // What the machine has of its own must not be found.
      AWS_CONFIG_FILE: '/dev/null',
      AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
      AWS_EC2_METADATA_DISABLED: 'true',
    },
    storeUrl: (prefix, through = endpoint) => `s3://${bucket}/${prefix}?endpoint=${encodeURIComponent(through)}`,
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    stop: async () => {
      await end();
      await rm(temporary, { recursive: true, force: true });
    },
  };
}

async function makeBucket(endpoint: string, isAlive: () => boolean): Promise<void> {
  const client = new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
  });
  let last: unknown;
  try {
    const made = await waitUntil(systemClock, { timeoutMs: 20_000, intervalMs: 50 }, async () => {
      if (!isAlive()) throw new Error('it ended');
      try {
        await client.send(new CreateBucketCommand({ Bucket: bucket }));
        return true;
      } catch (error) {
        last = error;
        return undefined;
      }
    });
    if (!made.seen) throw last;
  } finally {
    client.destroy();
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}
