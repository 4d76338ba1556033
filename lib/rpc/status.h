/* gRPC status codes, and THE table between our E_ codes and etcd's wire errors (code + exact text).
 * Clients match on the text, so it is part of the wire contract. */
#ifndef BARQUE_RPC_STATUS_H
#define BARQUE_RPC_STATUS_H

enum grpc_code {
    GRPC_OK = 0,
    GRPC_CANCELED = 1,
    GRPC_UNKNOWN = 2,
    GRPC_INVALID_ARGUMENT = 3,
    GRPC_DEADLINE_EXCEEDED = 4,
    GRPC_NOT_FOUND = 5,
    GRPC_ALREADY_EXISTS = 6,
    GRPC_PERMISSION_DENIED = 7,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_FAILED_PRECONDITION = 9,
    GRPC_ABORTED = 10,
    GRPC_OUT_OF_RANGE = 11,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_INTERNAL = 13,
    GRPC_UNAVAILABLE = 14,
    GRPC_DATA_LOSS = 15,
    GRPC_UNAUTHENTICATED = 16,
};

/* What goes on the wire for an E_ code. Static text. Unknown codes: GRPC_UNKNOWN. */
enum grpc_code status_from_err(int code, const char **ret_text);
/* The E_ code of a status received: by text first, then by code (UNAVAILABLE -> E_UNAVAILABLE,
 * DEADLINE_EXCEEDED -> E_TIMEOUT, CANCELED -> E_CANCELED, UNIMPLEMENTED -> E_UNSUPPORTED, ...). 0
 * for OK. */
int status_to_err(int grpc_code, const char *text);
const char *grpc_code_name(int grpc_code); /* "UNAVAILABLE" */

#endif
