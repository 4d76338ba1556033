/* The clocks of the machine, and the two ways to write time: RFC 3339 for timestamps, and the short
 * ages of kubectl's tables. Calendar arithmetic is done here (proleptic Gregorian, UTC only), so
 * that neither locale nor time zone can change a result. */
#include "lib/base/clock.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/base/err.h"

static uint64_t read_us(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t clock_mono_ms(void)
{
    return read_us(CLOCK_MONOTONIC) / 1000;
}

uint64_t clock_mono_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

int64_t clock_wall_ms(void)
{
    return (int64_t)(read_us(CLOCK_REALTIME) / 1000);
}

uint64_t clock_cpu_us(void)
{
    return read_us(CLOCK_PROCESS_CPUTIME_ID);
}

/* Days since 1970-01-01. Years start in March here, so that the leap day is a year's last day. */
static int64_t days_of(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void date_of(int64_t days, int64_t *ret_year, int *ret_month, int *ret_day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t of_era = days - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t march_month = (5 * of_year + 2) / 153;
    *ret_day = (int)(of_year - (153 * march_month + 2) / 5 + 1);
    *ret_month = (int)(march_month < 10 ? march_month + 3 : march_month - 9);
    *ret_year = year + era * 400 + (*ret_month <= 2);
}

void clock_format(int64_t wall_ms, char *ret_text, size_t size)
{
    int64_t s = wall_ms / 1000 - (wall_ms % 1000 < 0);
    int64_t days = s / 86400 - (s % 86400 < 0);
    int64_t rest = s - days * 86400;
    int64_t year;
    int month;
    int day;
    date_of(days, &year, &month, &day);
    (void)snprintf(ret_text, size, "%04" PRId64 "-%02d-%02dT%02d:%02d:%02dZ", year, month, day,
                   (int)(rest / 3600), (int)(rest / 60 % 60), (int)(rest % 60));
}

/* Exactly n digits. */
static int digits(const char **s, int n, int *ret_value)
{
    int v = 0;
    for (int i = 0; i < n; i++, (*s)++) {
        if (!isdigit((unsigned char)**s)) {
            return E_INVAL;
        }
        v = v * 10 + (**s - '0');
    }
    *ret_value = v;
    return 0;
}

/* ".123456": further digits are read over. */
static int fraction(const char **s, int *ret_ms)
{
    *ret_ms = 0;
    if (**s != '.') {
        return 0;
    }
    (*s)++;
    if (!isdigit((unsigned char)**s)) {
        return E_INVAL;
    }
    for (int unit = 100; isdigit((unsigned char)**s); unit /= 10, (*s)++) {
        *ret_ms += (**s - '0') * unit;
    }
    return 0;
}

static int month_days(int year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

int clock_parse(const char *text, int64_t *ret_wall_ms)
{
    static const struct {
        int digits;
        int min;
        int max;
        char after;
    } parts[6] = { { 4, 0, 9999, '-' }, { 2, 1, 12, '-' }, { 2, 1, 31, 'T' },
                   { 2, 0, 23, ':' },   { 2, 0, 59, ':' }, { 2, 0, 59, 0 } };
    int v[6];
    int ms;

    for (int i = 0; i < 6; i++) {
        if (digits(&text, parts[i].digits, &v[i]) != 0 || v[i] < parts[i].min ||
            v[i] > parts[i].max) {
            return E_INVAL;
        }
        if (parts[i].after != 0 && *text++ != parts[i].after) {
            return E_INVAL;
        }
    }
    if (fraction(&text, &ms) != 0 || strcmp(text, "Z") != 0 || v[2] > month_days(v[0], v[1])) {
        return E_INVAL;
    }
    int64_t s = days_of(v[0], v[1], v[2]) * 86400 + v[3] * 3600 + v[4] * 60 + v[5];
    *ret_wall_ms = s * 1000 + ms;
    return 0;
}

void clock_format_age(int64_t age_ms, char *ret_text, size_t size)
{
    /* Below `under` seconds an age is written in `big` units, with the rest in `small` ones when
     * there is a small unit and a rest: 130 s is "2m10s", 700 s is "11m". */
    static const struct {
        int64_t under;
        int64_t big;
        int64_t small;
        char big_name;
        char small_name;
    } steps[] = {
        { 120, 1, 0, 's', 0 },
        { 600, 60, 1, 'm', 's' },
        { 3 * 3600, 60, 0, 'm', 0 },
        { 8 * 3600, 3600, 60, 'h', 'm' },
        { 48 * 3600, 3600, 0, 'h', 0 },
        { 8 * 86400, 86400, 3600, 'd', 'h' },
        { 2 * 365 * 86400, 86400, 0, 'd', 0 },
        { 8LL * 365 * 86400, 365 * 86400, 86400, 'y', 'd' },
        { INT64_MAX, 365 * 86400, 0, 'y', 0 },
    };
    int64_t s = age_ms < 0 ? 0 : age_ms / 1000;
    size_t i = 0;
    while (s >= steps[i].under) {
        i++;
    }
    int64_t rest = steps[i].small != 0 ? s % steps[i].big / steps[i].small : 0;
    if (rest == 0) {
        (void)snprintf(ret_text, size, "%" PRId64 "%c", s / steps[i].big, steps[i].big_name);
    } else {
        (void)snprintf(ret_text, size, "%" PRId64 "%c%" PRId64 "%c", s / steps[i].big,
                       steps[i].big_name, rest, steps[i].small_name);
    }
}
