/* examples/web.yaml inside the binary, so that the demo runs wherever the binary is. The
 * assembler includes the file at build time: there is one text, and it is the example's. */
#include "cmd/demo/tour.h"

__asm__(".section .rodata\n"
        ".global barque_demo_manifest\n"
        ".global barque_demo_manifest_end\n"
        "barque_demo_manifest:\n"
        ".incbin \"examples/web.yaml\"\n"
        "barque_demo_manifest_end:\n"
        ".byte 0\n"
        ".previous\n");

extern const char barque_demo_manifest[], barque_demo_manifest_end[];

struct slice demo_manifest(void)
{
    /* cppcheck-suppress comparePointers ; two names in one object of the assembler's */
    size_t len = (size_t)(barque_demo_manifest_end - barque_demo_manifest);
    return slice_make(barque_demo_manifest, len);
}
