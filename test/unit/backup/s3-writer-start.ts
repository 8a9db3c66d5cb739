import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { S3Server } from '../../support/s3-server.ts';

const script = fileURLToPath(new URL('./s3-writer.ts', import.meta.url));

export interface S3WriterReport {
  readonly sizeBytes: number;
  readonly rssBeforeBytes: number;
  readonly rssMaxBytes: number;
}

/** Runs `s3-writer.ts` to its end. */
export async function startS3Writer(server: S3Server, prefix: string, mebibytes: number): Promise<S3WriterReport> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', 'tsx', script, server.storeUrl(prefix), String(mebibytes)],
    { env: { ...process.env, ...server.env }, timeout: 100_000, killSignal: 'SIGKILL' },
  );
  return JSON.parse(stdout) as S3WriterReport;
}
