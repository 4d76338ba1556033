/* The raft folder's unit tests: each file exports one group. */
int test_transport_run(void);

int main(void)
{
    int failed = 0;
    failed += test_transport_run();
    return failed != 0;
}
