"""The tables of the document, in Markdown."""


def table(header, rows):
    """A Markdown table; the first column is words, the others are numbers."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def ratio(value, digits=2):
    return "-" if value is None else f"{value:.{digits}f}"


def trace_table(rows):
    header = ["workload", "ms", "loaded, off", "traced, idle", "traced, busy", "Valgrind", "Valgrind / traced, idle"]
    return table(
        header,
        [
            [
                *(name, f"{base:.1f}", ratio(off, 3), ratio(idle), ratio(busy), ratio(valgrind, 1)),
                ratio(valgrind and valgrind / idle, 0),
            ]
            for name, base, off, idle, busy, valgrind in rows
        ],
    )


def window_table(rows):
    header = ["contexts", "`SELECT 1`, unchecked", "checked", "checked, traced", "in a window"]
    header += ["`begin()`", "`mark()`", "`end()`"]
    return table(header, [[f"{contexts:,}", *(f"{cost:,.1f}" for cost in costs)] for contexts, *costs in rows])


def traced_window_table(rows):
    header = ["contexts", "`begin()`", "`mark()`", "`end()`"]
    return table(header, [[f"{contexts:,}", *(f"{cost / 1000:.2f}" for cost in costs)] for contexts, *costs in rows])


def instruction_table(rows):
    header = ["workload", "thousands of instructions", "loaded, off"]
    return table(header, [[name, f"{plain:,.0f}", ratio(off, 4)] for name, plain, off in rows])


def traces_compared_table(rows):
    modes = ["traced, idle", "traced, busy"]
    header = ["workload", *(f"{mode}: {what}" for mode in modes for what in ("before", "after", "after / before"))]
    return table(header, [[name, *(ratio(value) for value in values)] for name, *values in rows])


def windows_compared_table(rows):
    calls = ["`begin()`", "`mark()`", "`end()`"]
    header = ["contexts", *(f"{call} {when}" for when in ("before", "after") for call in calls)]
    return table(header, [[f"{contexts:,}", *(f"{cost / 1000:.2f}" for cost in costs)] for contexts, *costs in rows])


def guarded_suite_table(rows):
    header = ["ms", "traced", "redzone / traced", "pages / traced", "Valgrind"]
    return table(header, [[f"{base:.0f}", *(ratio(value) for value in ratios), ratio(valgrind, 1)] for base, *ratios, valgrind in rows])


def guarded_idle_table(rows):
    header = ["workload", "traced, ms", "redzone / traced", "pages / traced"]
    return table(header, [[name, f"{base:.1f}", *(ratio(value, 3) for value in ratios)] for name, base, *ratios in rows])
