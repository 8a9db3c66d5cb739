import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { gzipInParallel } from '../../../src/backup/gzip.ts';
import { collect, databaseOf, streamOf } from './streams.ts';

const mebibyte = 1024 * 1024;

describe('gzipInParallel', () => {
  it.each([1, mebibyte - 1, mebibyte, mebibyte + 1, 9 * mebibyte + 12_345])(
    'gives %i bytes back through zlib and through gunzip, in order',
    async (sizeBytes) => {
      const bytes = databaseOf(sizeBytes);
      const packed = await collect(gzipInParallel(streamOf(bytes)));
      expect(gunzipSync(packed).equals(bytes)).toBe(true);
      const unpacked = spawnSync('gunzip', ['-c'], { input: packed, maxBuffer: 64 * mebibyte });
      expect(unpacked.status).toBe(0);
      expect(unpacked.stderr.toString()).toBe('');
      expect(unpacked.stdout.equals(bytes)).toBe(true);
    },
  );

  it('shrinks what can be shrunk and hardly grows what cannot', async () => {
    const text = await collect(gzipInParallel(streamOf(databaseOf(2 * mebibyte))));
    expect(text.length).toBeLessThan(1.5 * mebibyte);
    const noise = randomBytes(3 * mebibyte);
    const stored = await collect(gzipInParallel(streamOf(noise)));
    expect(stored.length).toBeLessThan(3 * mebibyte + 4096);
    expect(gunzipSync(stored).equals(noise)).toBe(true);
  });

  it('survives a source that uses its buffer again', async () => {
    const expected = Buffer.concat([Buffer.alloc(700_000, 1), Buffer.alloc(700_000, 2)]);
    async function* reusing(): AsyncGenerator<Uint8Array> {
      const buffer = Buffer.alloc(700_000);
      for (const value of [1, 2]) yield buffer.fill(value);
    }
    expect(gunzipSync(await collect(gzipInParallel(reusing()))).equals(expected)).toBe(true);
  });

  it('takes no more from the source than it can hold', async () => {
    let taken = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) {
        taken += mebibyte;
        yield new Uint8Array(mebibyte);
      }
    }
    for await (const _part of gzipInParallel(endless())) if (taken > 20 * mebibyte) break;
    expect(taken).toBeLessThan(22 * mebibyte);
  });

  it('passes on the failure of the source', async () => {
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(5 * mebibyte);
      throw new TypeError('broken');
    }
    await expect(collect(gzipInParallel(failing()))).rejects.toThrow('broken');
  });
});
