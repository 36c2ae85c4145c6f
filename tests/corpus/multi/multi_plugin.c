/* An output plugin: no extension, nothing in the catalogs. It keeps 100 bytes for each change. */
#include "multi.h"

#include "replication/logical.h"
#include "replication/output_plugin.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_output_plugin_init(OutputPluginCallbacks *callbacks);

static void
starts(LogicalDecodingContext *ctx, OutputPluginOptions *options, bool is_init)
{
	options->output_type = OUTPUT_PLUGIN_TEXTUAL_OUTPUT;
}

static void
begins(LogicalDecodingContext *ctx, ReorderBufferTXN *txn)
{
}

static void
changes(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, Relation relation, ReorderBufferChange *change)
{
	keep();
}

static void
commits(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, XLogRecPtr lsn)
{
}

void
_PG_output_plugin_init(OutputPluginCallbacks *callbacks)
{
	callbacks->startup_cb = starts;
	callbacks->begin_cb = begins;
	callbacks->change_cb = changes;
	callbacks->commit_cb = commits;
}
