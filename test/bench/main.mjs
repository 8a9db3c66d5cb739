/**
 * `npm run bench [-- NAME... --rounds N …]`: the figures that the project promises, each beside bare etcd that was
 * started by hand in the same run. `--help` lists the names and options.
 */
import { register } from 'tsx/esm/api';

register();
const { runBench } = await import('./bench.ts');
process.exitCode = await runBench(process.argv.slice(2));
