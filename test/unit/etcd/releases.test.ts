import semver from 'semver';
import { describe, expect, it } from 'vitest';
import {
  assessRelease,
  compareVersions,
  hasLearners,
  latestPatches,
  minorOf,
  readinessPath,
  releaseDefects,
} from '../../../src/etcd/releases.ts';
import { containing } from './matchers.ts';

describe('assessRelease', () => {
  it.each([
    ['3.3.18', 'data-loss'],
    ['3.4.3', 'data-loss'],
    ['3.4.7', 'data-loss'],
    ['3.4.20', 'data-loss'],
    ['3.5.0', 'data-loss'],
    ['3.5.2', 'data-loss'],
    ['3.5.4', 'data-loss'],
    ['3.4.21', 'warning'],
    ['3.5.5', 'warning'],
    ['3.5.16', 'warning'],
    ['3.6.4', 'warning'],
    ['3.6.13', 'warning'],
    ['3.7.0', 'warning'],
    ['3.5.33', 'none'],
    ['3.6.14', 'none'],
    ['3.7.1', 'none'],
    ['3.8.0', 'none'],
  ] as const)('%s: %s', (version, severity) => {
    expect(assessRelease(version).severity).toBe(severity);
  });

  it('says why, the worst first, and which release to take', () => {
    const [first, second] = assessRelease('3.5.2').findings;
    expect(first).toEqual({ why: containing('acknowledged write'), fixedIn: '3.5.5' });
    expect(second).toEqual({ why: containing('different data'), fixedIn: '3.5.4' });
    expect(assessRelease('3.6.4').findings.map(({ fixedIn }) => fixedIn)).toEqual([
      '3.6.5',
      '3.6.9',
      '3.6.13',
      '3.6.14',
    ]);
    // 3.4 never got a fix for stale reads: the nearest one is in 3.5.
    expect(assessRelease('3.4.45').findings.map(({ fixedIn }) => fixedIn)).toContain('3.5.28');
  });

  it('has a fix that is not affected itself for every release that it finds fault with', () => {
    for (const defect of releaseDefects)
      for (const fix of Object.values(defect.fixedIn)) expect(semver.satisfies(fix, defect.affected)).toBe(false);
  });

  it('finds nothing wrong with the newest patch of each minor that is still kept up', () => {
    for (const minor of ['3.5', '3.6', '3.7']) expect(assessRelease(latestPatches[minor] ?? '').severity).toBe('none');
  });
});

describe('versions', () => {
  it('compares by number', () => {
    expect(compareVersions('3.5.9', '3.5.33')).toBeLessThan(0);
    expect(compareVersions('3.10.0', '3.9.9')).toBeGreaterThan(0);
    expect(compareVersions('3.5.33', '3.5.33')).toBe(0);
    expect(minorOf('3.10.2')).toBe('3.10');
  });

  it('knows what came when', () => {
    expect([hasLearners('3.3.27'), hasLearners('3.4.0')]).toEqual([false, true]);
    const paths = ['3.3.27', '3.4.28', '3.4.29', '3.5.10', '3.5.11', '3.6.0', '3.7.1'].map(readinessPath);
    expect(paths).toEqual(['/health', '/health', '/readyz', '/health', '/readyz', '/readyz', '/readyz']);
  });
});
