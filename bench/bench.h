/* `barque bench`: a load generator for any server of etcd's v3 API, Barque or etcd. See
 * bench/README.md. */
#ifndef BARQUE_BENCH_BENCH_H
#define BARQUE_BENCH_BENCH_H

/* argv[0] is "bench". The exit code: 0, 1 (server not reached, or no operation done), 2 (usage). */
int command_bench(int argc, char **argv);

#endif
