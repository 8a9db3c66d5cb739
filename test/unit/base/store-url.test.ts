import { describe, expect, test } from 'vitest';
import { parseStoreUrl } from '../../../src/base/store-url.ts';

const bucket = { type: 's3', bucket: 'backups', prefix: '', pathStyle: false };

describe('the URL of a store', () => {
  test.each([
    ['file:///var/backups/etcd', { type: 'file', folder: '/var/backups/etcd' }],
    ['file:///var/backups/etcd///', { type: 'file', folder: '/var/backups/etcd' }],
    ['file:///var/my%20backups', { type: 'file', folder: '/var/my backups' }],
    ['file:///var/a..b/.hidden', { type: 'file', folder: '/var/a..b/.hidden' }],
    ['s3://backups', bucket],
    ['s3://backups/', bucket],
    ['s3://backups/etcd/prod/', { ...bucket, prefix: 'etcd/prod' }],
    ['s3://backups/a%20b', { ...bucket, prefix: 'a b' }],
    ['s3://backups?region=eu-central-1', { ...bucket, region: 'eu-central-1' }],
    [
      's3://backups/etcd?endpoint=https://s3.example.com:9000',
      { ...bucket, prefix: 'etcd', endpoint: 'https://s3.example.com:9000', pathStyle: true },
    ],
    ['s3://backups?endpoint=http://127.0.0.1:9000/', { ...bucket, endpoint: 'http://127.0.0.1:9000', pathStyle: true }],
    ['s3://backups?endpoint=https://s3.example.com&pathStyle=false', { ...bucket, endpoint: 'https://s3.example.com' }],
    ['s3://backups?pathStyle=true', { ...bucket, pathStyle: true }],
    ['s3://backups?sse=AES256', { ...bucket, sse: 'AES256' }],
    [
      's3://backups?sse=aws:kms&sseKmsKeyId=arn:aws:kms:eu-1:1:key/x',
      { ...bucket, sse: 'aws:kms', sseKmsKeyId: 'arn:aws:kms:eu-1:1:key/x' },
    ],
  ])('%s is one', (url, location) => {
    expect(parseStoreUrl(url)).toEqual({ valid: true, location });
  });

  test.each([
    ['', 'neither a file:// nor an s3:// URL'],
    ['/var/backups/etcd', 'neither'],
    ['https://backups.example.com', 'neither'],
    ['gs://backups', 'neither'],
    ['file:///', 'names no folder'],
    ['file:////', 'names no folder'],
    ['file://server/share', 'names a host (server)'],
    ['file:///var?region=x', 'takes no parameters'],
    ['file:///var#x', 'takes no parameters'],
    ['file:///var/../etc', '"." or ".."'],
    ['file:///var/./etc', '"." or ".."'],
    ['file:///var/%2e%2E/etc', '"." or ".."'],
    ['file:///var/.%2e', '"." or ".."'],
    ['file:///var%2f..%2fetc', ''],
    ['file:///var/a%00b', 'names no folder'],
    ['s3://backups/..', '"." or ".."'],
    ['s3://key:secret@backups/etcd', 'credentials'],
    ['s3://key@backups/etcd', 'credentials'],
    ['s3://backups:9000/etcd', 'endpoint=https://host:port'],
    ['s3://', ''],
    ['s3:///etcd', 'no name of a bucket'],
    ['s3://Backups', 'no name of a bucket'],
    ['s3://ab', 'no name of a bucket'],
    ['s3://-backups', 'no name of a bucket'],
    [`s3://${'a'.repeat(64)}`, 'no name of a bucket'],
    ['s3://backups/etcd#x', 'fragment'],
    ['s3://backups?regoin=eu-1', '"regoin" is none of region, endpoint'],
    ['s3://backups?region=eu-1&region=eu-2', 'region stands in it twice'],
    ['s3://backups?region=EU', 'no name of a region'],
    ['s3://backups?region=', 'no name of a region'],
    ['s3://backups?pathStyle=yes', 'pathStyle is true or false'],
    ['s3://backups?endpoint=s3.example.com', 'endpoint is not of the form'],
    ['s3://backups?endpoint=ftp://s3.example.com', 'endpoint is not of the form'],
    ['s3://backups?endpoint=https://key:secret@s3.example.com', 'endpoint is not of the form'],
    ['s3://backups?endpoint=https://s3.example.com/backups', 'endpoint is not of the form'],
    ['s3://backups?sse=aes', 'sse is AES256 or aws:kms'],
    ['s3://backups?sseKmsKeyId=x', 'sseKmsKeyId needs sse=aws:kms'],
    ['s3://backups?sse=AES256&sseKmsKeyId=x', 'sseKmsKeyId needs sse=aws:kms'],
    ['s3://backups/%E0%A4', 'not encoded properly'],
    ['s3://backups/a//b', 'signs that keys should not have'],
    ['s3://backups/a%00b', 'signs that keys should not have'],
    ['s3://backups/a%5Cb', 'signs that keys should not have'],
    // An encoded slash must not bring back what was taken out above.
    ['s3://backups/a%2F..%2Fb', '"." or ".."'],
  ])('%s is none', (url, reason) => {
    const parsed = parseStoreUrl(url);
    expect(parsed).toMatchObject({ valid: false });
    expect(parsed.valid ? '' : parsed.reason).toContain(reason);
  });
});
