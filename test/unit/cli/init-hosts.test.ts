import { expect, test } from 'vitest';
import { layOutHosts, memberCount, parseHost } from '../../../src/cli/init/hosts.ts';

test('members run on the largest odd number of hosts, 7 at the most', () => {
  expect([1, 2, 3, 4, 5, 6, 7, 8, 32].map(memberCount)).toEqual([1, 1, 3, 3, 5, 5, 7, 7, 7]);
});

test('hosts that share a machine get ports of their own', () => {
  const texts = ['a=10.0.0.1:7001', 'b=10.0.0.2:7001', 'c=10.0.0.1:7002', 'd=127.0.0.1:7001', 'e=127.0.0.2:7001'];
  const layouts = layOutHosts(texts.map(parseHost));
  expect(layouts.map(({ ports }) => ports.client)).toEqual([2379, 2379, 2389, 2379, 2389]);
});

test.each([
  ['a=10.0.0.1:7001', { name: 'a', ip: '10.0.0.1', port: 7001 }],
  ['a-1=[2001:DB8:0::1]:1', { name: 'a-1', ip: '2001:db8::1', port: 1 }],
])('%s is a host', (text, host) => {
  expect(parseHost(text)).toEqual(host);
});

const bad = ['', 'a', 'a=', 'a=10.0.0.1', '=10.0.0.1:7001', 'a=10.0.0.1:x', 'a=::1:7001', 'a=[10.0.0.1:7001'];
test.each([...bad, 'a=10.0.0.1:99999', 'a=10.0.0.1:0', 'a=010.0.0.1:7001'])('%j is no host', (text) => {
  expect(() => parseHost(text)).toThrow(/host .* cannot be used/);
});
