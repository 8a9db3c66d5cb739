import { open, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import type { HostFacts } from './wire.ts';

const cacheMs = 60_000;
const probeBytes = 4096;

/** Measures the disk below a folder: room now, and how long a small fsync takes, at most once a minute. */
export function createDiskProbe(folder: string, clock: Clock): () => Promise<HostFacts['disk']> {
  const probe = join(folder, '.fsync-probe');
  let measured: { readonly fsyncMs: number; readonly atMs: number } | undefined;
  return async () => {
    if (measured === undefined || clock.monotonic() - measured.atMs >= cacheMs) {
      measured = { fsyncMs: await measure(probe, clock), atMs: clock.monotonic() };
    }
    const stats = await statfs(folder);
    return {
      freeBytes: stats.bavail * stats.bsize,
      totalBytes: stats.blocks * stats.bsize,
      fsyncMs: measured.fsyncMs,
    };
  };
}

/** The file is written in place, so that a full disk does not fail the measurement; -1 when it fails all the same. */
async function measure(path: string, clock: Clock): Promise<number> {
  try {
    const handle = await open(path, 'a+', 0o600);
    await handle.close();
    const file = await open(path, 'r+');
    try {
      const startMs = clock.monotonic();
      await file.write(Buffer.alloc(probeBytes), 0, probeBytes, 0);
      await file.sync();
      return Math.round((clock.monotonic() - startMs) * 100) / 100;
    } finally {
      await file.close();
    }
  } catch {
    return -1;
  }
}
