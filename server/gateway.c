/* etcd's JSON endpoints: which path is which method. What a row does is the method's own (its
 * service's file); lib/rpc/gateway.c goes between JSON and protobuf. */
#include "proto/rpc_auth.pb-c.h"
#include "proto/v3election.pb-c.h"
#include "proto/v3lock.pb-c.h"
#include "server/internal.h"

#define ROW(path, method, response) \
    { path, method, &response##__descriptor, false }
#define KV(path, method, r) ROW("/v3/kv/" path, "/etcdserverpb.KV/" method, etcdserverpb__##r)
#define LEASE(path, method, r) ROW("/v3/" path, "/etcdserverpb.Lease/" method, etcdserverpb__##r)
#define CLUSTER(path, method, r) \
    ROW("/v3/cluster/member/" path, "/etcdserverpb.Cluster/" method, etcdserverpb__##r)
#define MAINTENANCE(path, method, r) \
    ROW("/v3/maintenance/" path, "/etcdserverpb.Maintenance/" method, etcdserverpb__##r)
#define AUTH(path, method, r) ROW("/v3/auth/" path, "/etcdserverpb.Auth/" method, etcdserverpb__##r)
#define LOCK(path, method, r) ROW("/v3/lock/" path, "/v3lockpb.Lock/" method, v3lockpb__##r)
#define ELECTION(path, method, r) \
    ROW("/v3/election/" path, "/v3electionpb.Election/" method, v3electionpb__##r)

const struct rpc_gateway_route gateway_routes[] = {
    KV("range", "Range", range_response),
    KV("put", "Put", put_response),
    KV("deleterange", "DeleteRange", delete_range_response),
    KV("txn", "Txn", txn_response),
    KV("compaction", "Compact", compaction_response),
    /* A watch lives as long as the connection: what curl -d sends ends at once. */
    { "/v3/watch", "/etcdserverpb.Watch/Watch", &etcdserverpb__watch_response__descriptor, true },
    LEASE("lease/grant", "LeaseGrant", lease_grant_response),
    LEASE("lease/revoke", "LeaseRevoke", lease_revoke_response),
    LEASE("kv/lease/revoke", "LeaseRevoke", lease_revoke_response),
    LEASE("lease/keepalive", "LeaseKeepAlive", lease_keep_alive_response),
    LEASE("lease/timetolive", "LeaseTimeToLive", lease_time_to_live_response),
    LEASE("kv/lease/timetolive", "LeaseTimeToLive", lease_time_to_live_response),
    LEASE("lease/leases", "LeaseLeases", lease_leases_response),
    LEASE("kv/lease/leases", "LeaseLeases", lease_leases_response),
    CLUSTER("add", "MemberAdd", member_add_response),
    CLUSTER("remove", "MemberRemove", member_remove_response),
    CLUSTER("update", "MemberUpdate", member_update_response),
    CLUSTER("list", "MemberList", member_list_response),
    CLUSTER("promote", "MemberPromote", member_promote_response),
    MAINTENANCE("alarm", "Alarm", alarm_response),
    MAINTENANCE("status", "Status", status_response),
    MAINTENANCE("defragment", "Defragment", defragment_response),
    MAINTENANCE("hash", "Hash", hash_response),
    MAINTENANCE("hashkv", "HashKV", hash_kvresponse),
    MAINTENANCE("snapshot", "Snapshot", snapshot_response),
    MAINTENANCE("transfer-leadership", "MoveLeader", move_leader_response),
    MAINTENANCE("downgrade", "Downgrade", downgrade_response),
    AUTH("enable", "AuthEnable", auth_enable_response),
    AUTH("disable", "AuthDisable", auth_disable_response),
    AUTH("status", "AuthStatus", auth_status_response),
    AUTH("authenticate", "Authenticate", authenticate_response),
    AUTH("user/add", "UserAdd", auth_user_add_response),
    AUTH("user/get", "UserGet", auth_user_get_response),
    AUTH("user/list", "UserList", auth_user_list_response),
    AUTH("user/delete", "UserDelete", auth_user_delete_response),
    AUTH("user/changepw", "UserChangePassword", auth_user_change_password_response),
    AUTH("user/grant", "UserGrantRole", auth_user_grant_role_response),
    AUTH("user/revoke", "UserRevokeRole", auth_user_revoke_role_response),
    AUTH("role/add", "RoleAdd", auth_role_add_response),
    AUTH("role/get", "RoleGet", auth_role_get_response),
    AUTH("role/list", "RoleList", auth_role_list_response),
    AUTH("role/delete", "RoleDelete", auth_role_delete_response),
    AUTH("role/grant", "RoleGrantPermission", auth_role_grant_permission_response),
    AUTH("role/revoke", "RoleRevokePermission", auth_role_revoke_permission_response),
    LOCK("lock", "Lock", lock_response),
    LOCK("unlock", "Unlock", unlock_response),
    ELECTION("campaign", "Campaign", campaign_response),
    ELECTION("proclaim", "Proclaim", proclaim_response),
    ELECTION("leader", "Leader", leader_response),
    ELECTION("observe", "Observe", leader_response),
    ELECTION("resign", "Resign", resign_response),
};
const size_t gateway_routes_n = ARRAY_LEN(gateway_routes);
