/* Unit tests of chaos/. With a folder as argument it writes the sample reports there instead, to be
 * looked at: build/tests/unit-chaos /tmp/sample */
#include "tests/unit/chaos/tests.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/chaos/sample.h"

static void write_file(const char *folder, const char *name, const char *ending, struct buf *text)
{
    autobuf path = BUF_INIT;
    buf_printf(&path, "%s/%s.%s", folder, name, ending);
    FILE *file = fopen(buf_str(&path), "w");
    if (file == NULL || fwrite(buf_str(text), 1, text->len, file) != text->len ||
        fclose(file) != 0) {
        perror(buf_str(&path));
        exit(1);
    }
    buf_reset(text);
}

static void write_all(const char *folder, const char *name, struct chaos_report *r)
{
    autobuf text = BUF_INIT;
    chaos_report_html(r, &text);
    write_file(folder, name, "html", &text);
    chaos_report_json(r, &text);
    write_file(folder, name, "json", &text);
    chaos_report_junit(r, &text);
    write_file(folder, name, "xml", &text);
    chaos_report_text(r, &(struct chaos_text_options){ .html_path = "report.html" }, &text);
    write_file(folder, name, "txt", &text);
    chaos_report_free(r);
}

int main(int argc, char **argv)
{
    if (argc == 2) {
        write_all(argv[1], "held", sample_run(14, false));
        write_all(argv[1], "violated", sample_run(14, true));
        write_all(argv[1], "forty", sample_run(40, false));
        write_all(argv[1], "many", sample_run(90, false));
        write_all(argv[1], "hostile", sample_hostile());
        write_all(argv[1], "empty", chaos_report_new());
        return 0;
    }
    int failed = test_plan_run();
    failed += test_act_run();
    failed += test_report_run();
    failed += test_html_run();
    failed += test_formats_run();
    failed += test_words_run();
    return failed != 0;
}
