# For the Makefile of an extension, behind "include $(PGXS)":
#
#     include memcheck.mk
#
# make memcheck           runs the specs on the server of PG_CONFIG
# make memcheck-check     reads them, without a server
# make memcheck-bless     records what the last run has found
# make memcheck-suite     runs the extension's own regression tests (REGRESS, ISOLATION), watched
MCSPEC ?= mcspec
# What else mcspec is told: make memcheck MEMCHECK_OPTS="lookup --report junit=results/junit.xml"
MEMCHECK_OPTS ?=

.PHONY: memcheck memcheck-check memcheck-bless memcheck-suite

memcheck:
	$(MCSPEC) run --pg-config "$(shell command -v $(PG_CONFIG))" $(MEMCHECK_OPTS)

memcheck-check:
	$(MCSPEC) check $(MEMCHECK_OPTS)

memcheck-bless:
	$(MCSPEC) bless $(MEMCHECK_OPTS)

memcheck-suite:
	$(MCSPEC) exec --regress --pg-config "$(shell command -v $(PG_CONFIG))" $(MEMCHECK_OPTS)
