# Known bugs (lib/base/bug.h): everything again with -DBARQUE_BUGS in build/recall, and a program that
# plants each and sees whether its harness finds it. RECALL=5 takes five that are found within
# seconds, others at each commit (PICK=TEXT chooses).
RECALL ?= 0
PICK ?= $(COMMIT)
RECALL_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard tests/recall/*.c))
RECALL_UNITS := raft store server controllers scheduler kubelet
RECALL_MAKE = $(MAKE) --no-print-directory BUGS=1

$(B)/recall: $(RECALL_OBJ) $(call archives,lib/base)
	@echo "  LD $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ -lpthread

.PHONY: recall recall-docs recall-programs
recall-programs: $(B)/recall $(B)/sim $(RECALL_UNITS:%=$(B)/tests/unit-%)
recall: check-deps ## plants each known bug; RECALL=5 takes five, BUG=name one
	@+$(RECALL_MAKE) recall-programs
	@build/recall/recall build/recall --sample $(RECALL) --pick $(PICK) $(if $(BUG),--only $(BUG)) \
	    $(if $(filter 0,$(RECALL)),$(if $(BUG),,--markdown build/recall/known-bugs.md)) \
	    $(if $(filter 0,$(RECALL)),,--cpu-seconds 60)

recall-docs: ## puts the table of the last full run into docs/reliability.md
	@tests/recall/docs.sh build/recall/known-bugs.md docs/reliability.md
