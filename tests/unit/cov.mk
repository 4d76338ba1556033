# make cov: which lines and branches the unit tests reach, a row a folder. Its objects are in build/cov.
COV_MAKE = $(MAKE) --no-print-directory COV=1 SAN= CC=gcc B=build/cov

.PHONY: cov-programs
cov-programs: $(UNIT_BINS)

cov: check-deps ## lines and branches that the unit tests reach, by folder
	@+$(COV_MAKE) cov-programs
	@find build/cov -name '*.gcda' -delete
	@tests/run build/cov unit
	@tests/unit/cov.sh build/cov
	@echo "without unit tests: $(filter-out proto $(UNIT_FOLDERS),$(FOLDERS))"
