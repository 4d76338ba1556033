/* One object of every kind with every field of its struct set, in the stored form: what is read
 * from it must be written back byte by byte. */
#ifndef BARQUE_TESTS_UNIT_API_SAMPLES_H
#define BARQUE_TESTS_UNIT_API_SAMPLES_H

#define META(ns)                                                                              \
    "\"metadata\":{\"name\":\"x\",\"generateName\":\"x-\"," ns "\"uid\":\"u-1\","             \
    "\"generation\":3,\"creationTimestamp\":\"2026-11-23T10:00:00Z\","                        \
    "\"deletionTimestamp\":\"2026-11-23T11:00:00Z\",\"deletionGracePeriodSeconds\":30,"       \
    "\"labels\":{\"app\":\"web\",\"b.c/d\":\"\"},\"annotations\":{\"note\":\"a \\\"b\\\"\"}," \
    "\"ownerReferences\":[{\"apiVersion\":\"apps/v1\",\"kind\":\"ReplicaSet\","               \
    "\"name\":\"rs\",\"uid\":\"u-2\",\"controller\":true,\"blockOwnerDeletion\":true}],"      \
    "\"finalizers\":[\"a/b\",\"c/d\"],\"managedFields\":[{\"manager\":\"kubectl\"}]}"
#define NAMESPACED "\"namespace\":\"default\","

#define CONDITIONS                                                                      \
    "\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\",\"reason\":\"R\","         \
    "\"message\":\"m\",\"lastTransitionTime\":\"t1\",\"lastUpdateTime\":\"t2\","        \
    "\"lastHeartbeatTime\":\"t3\"}]"
#define SELECTOR                                                                       \
    "\"selector\":{\"matchLabels\":{\"app\":\"web\"},\"matchExpressions\":["           \
    "{\"key\":\"tier\",\"operator\":\"In\",\"values\":[\"a\",\"b\"]}]}"

#define POD_SPEC                                                                                   \
    "{\"containers\":[{\"name\":\"main\",\"image\":\"web:1\",\"command\":[\"sh\",\"-c\"],"         \
    "\"args\":[\"sleep 1\"],\"workingDir\":\"/tmp\",\"ports\":[{\"name\":\"http\","                \
    "\"containerPort\":80,\"hostPort\":8080,\"protocol\":\"TCP\",\"hostIP\":\"127.0.0.1\"}],"      \
    "\"env\":[{\"name\":\"A\",\"value\":\"\"},{\"name\":\"B\",\"valueFrom\":{"                     \
    "\"configMapKeyRef\":{\"name\":\"cm\",\"key\":\"k\",\"optional\":true}}},"                     \
    "{\"name\":\"C\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"metadata.name\"}}},"             \
    "{\"name\":\"D\",\"valueFrom\":{\"secretKeyRef\":{\"name\":\"s\",\"key\":\"k\"}}}],"           \
    "\"resources\":{\"limits\":{\"cpu\":\"1\"},\"requests\":{\"cpu\":\"100m\","                    \
    "\"memory\":\"64Mi\"}},\"livenessProbe\":{\"periodSeconds\":3},"                               \
    "\"imagePullPolicy\":\"Always\"}],\"restartPolicy\":\"Always\","                               \
    "\"terminationGracePeriodSeconds\":0,\"nodeName\":\"n1\",\"nodeSelector\":{\"disk\":\"ssd\"}," \
    "\"tolerations\":[{\"key\":\"k\",\"operator\":\"Equal\",\"value\":\"v\","                      \
    "\"effect\":\"NoExecute\",\"tolerationSeconds\":0}],\"topologySpreadConstraints\":[{"          \
    "\"maxSkew\":1,\"topologyKey\":\"zone\",\"whenUnsatisfiable\":\"DoNotSchedule\","              \
    "\"labelSelector\":{\"matchLabels\":{\"app\":\"web\"}}}],\"hostname\":\"h\","                  \
    "\"serviceAccountName\":\"sa\",\"schedulerName\":\"s\",\"dnsPolicy\":\"ClusterFirst\","        \
    "\"volumes\":[{\"name\":\"v\"}]}"
#define TEMPLATE                                                                                   \
    "\"template\":{\"metadata\":{\"labels\":{\"app\":\"web\",\"tier\":\"a\"}},\"spec\":" \
    POD_SPEC "}"
#define POD_STATUS                                                                            \
    "{\"phase\":\"Running\"," CONDITIONS ",\"message\":\"m\",\"reason\":\"r\","               \
    "\"hostIP\":\"10.0.0.1\",\"podIP\":\"10.1.0.1\",\"startTime\":\"t\","                     \
    "\"containerStatuses\":[{\"name\":\"main\",\"state\":{\"running\":{\"startedAt\":\"t\"}}," \
    "\"lastState\":{\"terminated\":{\"exitCode\":0,\"signal\":9,\"reason\":\"Error\","        \
    "\"message\":\"m\",\"startedAt\":\"a\",\"finishedAt\":\"b\"}},\"ready\":false,"           \
    "\"restartCount\":0,\"image\":\"web:1\",\"containerID\":\"process://1\","                 \
    "\"started\":true,\"imageID\":\"i\"},{\"name\":\"side\",\"state\":{\"waiting\":{}},"      \
    "\"ready\":true,\"restartCount\":2}],\"qosClass\":\"Burstable\"}"

static const char *const samples[] = {
    "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\"," META("") ",\"spec\":{\"finalizers\":["
    "\"kubernetes\"]},\"status\":{\"phase\":\"Active\",\"conditions\":[]}}",

    "{\"apiVersion\":\"v1\",\"kind\":\"Node\"," META("") ",\"spec\":{\"unschedulable\":true,"
    "\"taints\":[{\"key\":\"k\",\"value\":\"v\",\"effect\":\"NoSchedule\",\"timeAdded\":\"t\"}],"
    "\"podCIDR\":\"10.0.0.0/24\"},\"status\":{\"capacity\":{\"cpu\":\"4\",\"pods\":\"110\"},"
    "\"allocatable\":{\"cpu\":\"4\"}," CONDITIONS ",\"addresses\":[{\"type\":\"Hostname\","
    "\"address\":\"n1\"}],\"nodeInfo\":{\"osImage\":\"Debian\"},\"images\":[{\"sizeBytes\":1}]}}",

    "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\"," META(NAMESPACED) ",\"data\":{\"a\":"
    "\"line 1\\nline 2\\t\\u0001\"},\"binaryData\":{\"b\":\"AAEC\"},\"immutable\":true}",

    "{\"apiVersion\":\"v1\",\"kind\":\"Pod\"," META(NAMESPACED) ",\"spec\":" POD_SPEC
    ",\"status\":" POD_STATUS "}",

    "{\"apiVersion\":\"apps/v1\",\"kind\":\"ReplicaSet\"," META(NAMESPACED) ",\"spec\":{"
    "\"replicas\":0,\"minReadySeconds\":5," SELECTOR "," TEMPLATE "},\"status\":{\"replicas\":0,"
    "\"fullyLabeledReplicas\":1,\"readyReplicas\":2,\"availableReplicas\":3,"
    "\"observedGeneration\":4," CONDITIONS ",\"terminatingReplicas\":1}}",

    "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\"," META(NAMESPACED) ",\"spec\":{"
    "\"replicas\":6," SELECTOR "," TEMPLATE ",\"strategy\":{\"type\":\"RollingUpdate\","
    "\"rollingUpdate\":{\"maxUnavailable\":0,\"maxSurge\":\"25%\"}},\"minReadySeconds\":1,"
    "\"revisionHistoryLimit\":0,\"paused\":true,\"progressDeadlineSeconds\":600},\"status\":{"
    "\"observedGeneration\":1,\"replicas\":2,\"updatedReplicas\":3,\"readyReplicas\":4,"
    "\"availableReplicas\":5,\"unavailableReplicas\":6," CONDITIONS ",\"collisionCount\":1}}",

    "{\"apiVersion\":\"v1\",\"kind\":\"Event\"," META(NAMESPACED) ",\"involvedObject\":{"
    "\"kind\":\"Pod\",\"namespace\":\"default\",\"name\":\"x\",\"uid\":\"u\",\"apiVersion\":"
    "\"v1\",\"resourceVersion\":\"7\",\"fieldPath\":\"f\"},\"reason\":\"r\",\"message\":\"m\","
    "\"source\":{\"component\":\"c\",\"host\":\"h\"},\"firstTimestamp\":\"a\","
    "\"lastTimestamp\":\"b\",\"count\":2,\"type\":\"Normal\",\"reportingComponent\":\"c\"}",

    "{\"apiVersion\":\"barque/v1\",\"kind\":\"NodeItem\"," META("\"namespace\":\"n1\",")
    ",\"pod\":{\"namespace\":\"default\",\"name\":\"web-1\",\"uid\":\"u\"},\"stop\":true,"
    "\"labels\":{\"app\":\"web\"},\"spec\":" POD_SPEC ",\"status\":" POD_STATUS ",\"stopped\":true,"
    "\"capacity\":{\"cpu\":\"4\"},\"allocatable\":{\"cpu\":\"4\"},\"addresses\":[{\"type\":"
    "\"Hostname\",\"address\":\"n1\"}],\"nodeInfo\":{\"a\":\"b\"},\"epoch\":7}",

    "{\"apiVersion\":\"barque/v1\",\"kind\":\"NodeAlive\"," META("") ",\"epoch\":7}",
};

#endif
