# build/bench.json, one object a load, server and round -> a markdown table, one row a load.
def median: sort | if length == 0 then null
  else (.[(length - 1) / 2 | floor] + .[length / 2 | floor]) / 2 end;
def fixed(n): if . == null then "-" else (. * pow(10; n) | round) / pow(10; n) | tostring end;
def ratio($a; $b): if $a == null or $b == null or $b == 0 then null else $a / $b end;
def figures($s): map(select(.server == $s)) | {
    ops: map(.ops_per_second) | median, cpu: map(.server_cpu_us_per_op) | median,
    p50: map(.p50_us) | median, p99: map(.p99_us) | median };
def columns: [(.ops | fixed(0)), (.cpu | fixed(1)), (ratio(.p50; 1000) | fixed(2)),
    (ratio(.p99; 1000) | fixed(2))];
"| members | load | clients | ops/s ratio | CPU ratio | p99 ratio "
  + "| Barque: ops/s | CPU us/op | p50 ms | p99 ms | etcd: ops/s | CPU us/op | p50 ms | p99 ms |",
"|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
(group_by([.members, .load, .clients])[]
  | .[0] as $k | figures("barque") as $b | figures("etcd") as $e
  | [ ($k.members | tostring), $k.load, ($k.clients | tostring),
      (ratio($b.ops; $e.ops) | fixed(2)), (ratio($b.cpu; $e.cpu) | fixed(2)),
      (ratio($b.p99; $e.p99) | fixed(2)) ] + ($b | columns) + ($e | columns)
  | "| " + join(" | ") + " |"),
(map(select(.errors > 0)) | if length == 0 then "\nNo operation failed."
  else "\nErrors:", (.[] | "- \(.server), \(.members) members, \(.load), "
    + "\(.clients) clients: \(.errors)") end)
