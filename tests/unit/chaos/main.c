/* Unit tests of chaos/. With a folder as argument it writes the sample reports there instead, to be
 * looked at: build/tests/unit-chaos /tmp/sample */
#include "tests/unit/chaos/tests.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/chaos/sample.h"

static void write_page(const char *folder, const char *name, struct chaos_report *r)
{
    autobuf page = BUF_INIT, path = BUF_INIT;
    buf_printf(&path, "%s/%s.html", folder, name);
    chaos_report_html(r, &page);
    FILE *file = fopen(buf_str(&path), "w");
    if (file == NULL || fwrite(page.data, 1, page.len, file) != page.len || fclose(file) != 0) {
        perror(buf_str(&path));
        exit(1);
    }
    chaos_report_free(r);
}

int main(int argc, char **argv)
{
    if (argc == 2) {
        write_page(argv[1], "held", sample_run(14, false));
        write_page(argv[1], "violated", sample_run(14, true));
        write_page(argv[1], "many", sample_run(90, false));
        write_page(argv[1], "hostile", sample_hostile());
        write_page(argv[1], "empty", chaos_report_new());
        return 0;
    }
    int failed = test_plan_run();
    failed += test_report_run();
    failed += test_html_run();
    failed += test_words_run();
    return failed != 0;
}
