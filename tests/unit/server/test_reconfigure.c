/* Which changes of the membership are allowed. */
#include "fixture.h"

#include "server/reconfigure.h"

static int add(size_t voters, size_t active, size_t started, size_t joining, bool promotes)
{
    struct reconfigure_view v = { voters, active, started, joining, 0, 1 };
    struct reconfigure_member m = { .promotes = promotes };
    return reconfigure_allowed(MEMBER_ADD_LEARNER, &v, &m);
}

static int take(size_t voters, size_t active, size_t started, bool its_active, bool its_started)
{
    struct reconfigure_view v = { voters, active, started, 0, 0, 1 };
    struct reconfigure_member m = { .voter = true, .active = its_active, .started = its_started };
    return reconfigure_allowed(MEMBER_REMOVE, &v, &m);
}

static void members_are_added_while_enough_have_started(void **state)
{
    (void)state;
    assert_int_equal(add(1, 1, 1, 0, true), 0); /* 1 -> 2: the way to three */
    assert_int_equal(add(1, 1, 1, 1, true), E_NOT_STARTED);
    assert_int_equal(add(1, 1, 2, 1, true), 0);
    assert_int_equal(add(3, 3, 3, 0, true), 0);
    assert_int_equal(add(3, 3, 3, 1, true), 0);
    assert_int_equal(add(3, 3, 3, 2, true), E_NOT_STARTED);
    assert_int_equal(add(3, 1, 3, 0, true), E_UNAVAILABLE);
}

static void one_learner_may_stay_one(void **state)
{
    (void)state;
    struct reconfigure_view v = { 3, 3, 3, 0, 0, 1 };
    struct reconfigure_member m = { .promotes = false };
    assert_int_equal(reconfigure_allowed(MEMBER_ADD_LEARNER, &v, &m), 0);
    v.learners = 1;
    assert_int_equal(reconfigure_allowed(MEMBER_ADD_LEARNER, &v, &m), E_TOO_MANY_LEARNERS);
    v.learners_max = 2;
    assert_int_equal(reconfigure_allowed(MEMBER_ADD_LEARNER, &v, &m), 0);
    v.learners_max = 1;
    m.promotes = true;
    assert_int_equal(reconfigure_allowed(MEMBER_ADD_LEARNER, &v, &m), 0);
}

static void a_quorum_of_those_that_answer_stays(void **state)
{
    (void)state;
    assert_int_equal(take(3, 3, 3, true, true), 0);
    assert_int_equal(take(3, 2, 3, true, true), E_UNAVAILABLE);
    assert_int_equal(take(3, 2, 3, false, true), 0); /* the dead one goes */
    assert_int_equal(take(2, 2, 2, true, true), 0);
    assert_int_equal(take(1, 1, 1, true, true), E_NOT_STARTED); /* the last one */
    assert_int_equal(take(5, 3, 5, true, true), E_UNAVAILABLE);
    assert_int_equal(take(5, 3, 5, false, true), 0);
    assert_int_equal(take(5, 4, 5, true, true), 0);
    assert_int_equal(take(4, 4, 2, true, true), E_NOT_STARTED);
    assert_int_equal(take(4, 3, 3, false, false), 0);
}

static void learners_come_and_go_as_they_like(void **state)
{
    (void)state;
    struct reconfigure_view v = { 3, 2, 3, 0, 1, 1 };
    struct reconfigure_member m = { .voter = false, .active = true };
    assert_int_equal(reconfigure_allowed(MEMBER_REMOVE, &v, &m), 0);
    assert_int_equal(reconfigure_allowed(MEMBER_PROMOTE, &v, &m), 0);
    assert_int_equal(reconfigure_allowed(MEMBER_UPDATE, &v, &m), 0);
}

int test_reconfigure_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_added_while_enough_have_started),
        cmocka_unit_test(one_learner_may_stay_one),
        cmocka_unit_test(a_quorum_of_those_that_answer_stays),
        cmocka_unit_test(learners_come_and_go_as_they_like),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
