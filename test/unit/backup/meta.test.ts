import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseMeta, renderMeta } from '../../../src/backup/meta.ts';
import { QuorateError } from '../../../src/base/errors.ts';

const parse = (text: string) => parseMeta('n/_etcd_backup.meta', text);
function outcomeOf(text: string): 'read' | 'refused' | 'another error' {
  try {
    parse(text);
    return 'read';
  } catch (error) {
    return error instanceof QuorateError ? 'refused' : 'another error';
  }
}

const known = { etcdVersion: '3.4.13', takenAtMs: 1_795_219_460_000, memberCount: 3 };

describe('_etcd_backup.meta', () => {
  it('is written to the byte as etcd-manager writes it', () => {
    expect(renderMeta({ ...known, takenAtMs: known.takenAtMs + 999 })).toBe(
      [
        '{',
        '  "etcdVersion": "3.4.13",',
        '  "timestamp": "1795219460",',
        '  "clusterSpec": {',
        '    "memberCount": 3,',
        '    "etcdVersion": "3.4.13"',
        '  }',
        '}',
      ].join('\n'),
    );
  });

  it.each([
    [
      'as documented',
      '{"etcdVersion":"3.4.13","timestamp":"1795219460","clusterSpec":{"memberCount":3,"etcdVersion":"3.4.13"}}',
    ],
    [
      'snake_case',
      '{"etcd_version":"3.4.13","timestamp":"1795219460","cluster_spec":{"member_count":3,"etcd_version":"3.4.13"}}',
    ],
    [
      'unquoted and quoted integers',
      '{"etcdVersion":"3.4.13","timestamp":1795219460,"clusterSpec":{"memberCount":"3"}}',
    ],
    [
      'white space and a mark',
      '\uFEFF\r\n\t{ "etcdVersion"\n:"v3.4.13" ,"timestamp": "1795219460","clusterSpec":{"memberCount":3}}\n\n',
    ],
    [
      'unknown fields',
      '{"x":[{}],"etcdVersion":"3.4.13","timestamp":"1795219460","clusterSpec":{"y":null,"memberCount":3}}',
    ],
    [
      'the version in the spec alone',
      '{"timestamp":"1795219460","clusterSpec":{"memberCount":3,"etcdVersion":"3.4.13"}}',
    ],
  ])('is read leniently: %s', (_what, text) => {
    expect(parse(text)).toEqual(known);
  });

  it('takes what protobuf leaves out for its default', () => {
    expect(parse('{"etcdVersion":"3.4.13"}')).toEqual({ etcdVersion: '3.4.13', takenAtMs: null, memberCount: 0 });
  });

  it.each([
    '',
    '{',
    'null',
    '[]',
    '7',
    '{}',
    '{"etcdVersion":3}',
    '{"etcdVersion":"../x"}',
    '{"etcdVersion":"3.4.13","timestamp":"-1"}',
    '{"etcdVersion":"3.4.13","timestamp":"99999999999999999999"}',
    '{"etcdVersion":"3.4.13","timestamp":1.5}',
    '{"etcdVersion":"3.4.13","timestamp":{}}',
  ])('refuses %j', (text) => {
    expect(() => parse(text)).toThrow(expect.objectContaining({ code: 'backup-meta-invalid' }));
  });

  it('never throws anything else, whatever it reads', () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
        expect(outcomeOf(text)).not.toBe('another error');
      }),
    );
  });
});
