/** Node → the nodes that it points to. */
export type Graph = ReadonlyMap<string, readonly string[]>;

/** One path `[a, b, a]` for every knot of files that reach each other, or themselves; none in a sound graph. */
export function findCycles(graph: Graph): readonly (readonly string[])[] {
  const cycles: string[][] = [];
  const knotted = new Set<string>();
  for (const start of [...graph.keys()].sort()) {
    if (knotted.has(start)) continue;
    const cycle = shortestWayBack(graph, start);
    if (cycle === null) continue;
    cycles.push(cycle);
    for (const node of cycle) knotted.add(node);
  }
  return cycles;
}

/** Breadth first from `start` until it is met again. */
function shortestWayBack(graph: Graph, start: string): string[] | null {
  const cameFrom = new Map<string, string>();
  const queue = [start];
  for (let node = queue.shift(); node !== undefined; node = queue.shift()) {
    for (const next of graph.get(node) ?? []) {
      if (next === start) return [...pathTo(cameFrom, start, node), start];
      if (cameFrom.has(next)) continue;
      cameFrom.set(next, node);
      queue.push(next);
    }
  }
  return null;
}

function pathTo(cameFrom: ReadonlyMap<string, string>, start: string, end: string): string[] {
  const path = [end];
  for (let node: string | undefined = end; node !== undefined && node !== start; ) {
    node = cameFrom.get(node);
    if (node !== undefined) path.unshift(node);
  }
  return path;
}
