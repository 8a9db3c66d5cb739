interface Span {
  low: number;
  high: number;
}

/**
 * Whether keys that are sorted by a revision of the target stand as they stood in the source. A transaction of the
 * target holds a span of the source's revisions; the spans must follow each other as the transactions do.
 */
export class OrderCheck {
  readonly #spans = new Map<number, Span>();

  add(sourceRevision: number, targetRevision: number): void {
    const span = this.#spans.get(targetRevision);
    if (span === undefined) this.#spans.set(targetRevision, { low: sourceRevision, high: sourceRevision });
    else {
      span.low = Math.min(span.low, sourceRevision);
      span.high = Math.max(span.high, sourceRevision);
    }
  }

  isKept(): boolean {
    let high = 0;
    for (const [, span] of [...this.#spans].toSorted(([a], [b]) => a - b)) {
      // Equal where a transaction of the source was too large for one of the target.
      if (span.low < high) return false;
      high = span.high;
    }
    return true;
  }
}
