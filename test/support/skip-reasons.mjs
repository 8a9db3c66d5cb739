/**
 * Puts the reason of `context.skip('reason')` into the test's metadata, from where Vitest's JSON report carries it.
 *
 * @implements {import('vitest/node').Reporter}
 */
export default class SkipReasons {
  /** @param {import('vitest/node').TestCase} test */
  onTestCaseResult(test) {
    const result = test.result();
    if (result.state === 'skipped' && result.note) Object.assign(test.meta(), { skipReason: result.note });
  }
}
