/* The files by which shim and driver speak; one directory an attempt:
 *     <root>/pods/<uid>/<container>/<attempt>/
 *       meta   JSON: pod namespace, name, grace; argv, env, cwd: by the driver, before the shim
 *       lock   held (fcntl) by the shim as long as it lives
 *       pid    "<pid> <started wall ms>\n": written by the shim once the program runs
 *       exit   "<code> <signal> <finished wall ms> <reason>\n<message>": atomically, at the end
 *       log    CRI lines: "<RFC 3339 nano> stdout|stderr F|P <text>"; log.1 what was there before
 *     <root>/events/<any>: touched by the shim at each change, watched with inotify */
#ifndef BARQUE_KUBELET_DRIVERS_SHIM_H
#define BARQUE_KUBELET_DRIVERS_SHIM_H

#define SHIM_META "meta"
#define SHIM_LOCK "lock"
#define SHIM_PID "pid"
#define SHIM_EXIT "exit"
#define SHIM_LOG "log"
#define SHIM_LOG_OLD "log.1"
#define SHIM_READY_FD 3 /* the shim closes it when its pid file stands (or its exit file) */

#endif
