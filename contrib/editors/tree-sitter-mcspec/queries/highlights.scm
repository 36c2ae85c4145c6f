; The words that clauses begin with, and those inside of them.
[
  "include" "title" "extension" "preload" "target" "requires" "skip" "xfail" "tags" "timeout" "retries" "setup"
  "set" "conf" "var" "matrix" "golden" "normalize" "teardown" "scenario" "iterations" "warmup" "workers"
  "limit" "workload" "worker" "when" "reset" "rows" "growth" "abort" "iterate" "protocol" "mode" "trace"
  "guard_sample" "guard" "watch" "allow" "probe" "expect" "session" "copies" "step" "permutation" "repeat"
] @keyword

[
  "about" "at" "because" "by" "bytes" "cascade" "count" "detail" "error" "every" "feature" "file" "first" "for" "from"
  "in" "iteration" "like" "no" "none" "not" "notices" "on" "per" "row" "shape" "size" "to" "until" "version"
  "within"
] @keyword.modifier

(scenario kind: (word) @type)
(condition kind: (word) @type)
(scenario name: (word) @function)
(session name: (word) @function)
(step name: (word) @function)
(workload name: (word) @function)
(launch step: (word) @function.call)
(marker (word) @function.call)
(extension name: (word) @module)
(var name: (word) @variable)
(matrix name: (word) @variable)
(set parameter: (parameter) @variable.member)
(violation check: (word) @constant)
(absence check: (word) @constant)
(allow check: (word) @constant)
(severity) @constant.builtin

(comment) @comment
[(string) (bare)] @string
(quoted_name) @function
[(number) (percentage) (date)] @number
(reference) @variable
[(operator) "=" "=>" ".." "*"] @operator
["(" ")" "{" "}" "$$"] @punctuation.bracket
["," ";"] @punctuation.delimiter
