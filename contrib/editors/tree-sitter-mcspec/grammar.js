// The `.mcspec` language for editors. What holds is runner/src/language/grammar.pest; runner/tests/editors.rs parses every spec of
// the repository with both.
//
// Words of clauses come first on what they begin, so that a name may be one of them: `step setup { .. }`.

/// One or more, with commas between.
const list = (rule) => seq(rule, repeat(seq(',', rule)));

/// The words of clauses that a scenario may be called by. What may follow `allow`, `set`, `when` and `workload` looks like clauses.
const CLAUSES = [
  'timeout', 'setup', 'teardown', 'iterations', 'warmup', 'workers', 'limit', 'reset', 'rows', 'growth', 'abort', 'iterate',
  'protocol', 'worker', 'mode', 'trace', 'guard', 'guard_sample', 'watch', 'probe', 'expect',
];

module.exports = grammar({
  name: 'mcspec',

  externals: ($) => [$.sql, $.conf_lines, $._dollar_open, $._dollar_close],
  extras: ($) => [/[ \t\r\n\v\f]/, $.comment],
  word: ($) => $.word,
  conflicts: ($) => [[$.scenario], [$.permutation]],

  rules: {
    source_file: ($) =>
      seq(
        optional('\uFEFF'),
        repeat($._header_clause),
        repeat($._fixture),
        repeat($.scenario),
        repeat($.session),
        repeat($.permutation),
      ),

    comment: (_) => token(seq('#', /[^\n]*/)),

    // The parts of a file

    scenario: ($) => seq('scenario', field('kind', $.word), optional(field('name', $._scenario_name)), repeat($._scenario_clause)),
    session: ($) => prec.right(seq('session', field('name', $._name), repeat($._session_clause))),
    permutation: ($) => seq('permutation', repeat1($.launch), repeat($._permutation_clause)),

    _header_clause: ($) =>
      choice(
        $.include, $.title, $.extension, $.preload, $.target, $.requires, $.skip, $.xfail, $.tags, $.timeout, $.retries, $.set,
        $.conf, $.var, $.matrix, $.golden, $.normalize, $.trace, $.guard, $.guard_sample, $.allow,
      ),
    // Of an included file, `var` and `set` come after fixtures as well.
    _fixture: ($) => choice($.setup, $.teardown),
    _scenario_clause: ($) =>
      choice(
        $.timeout, $.set, $.setup, $.teardown, $.iterations, $.warmup, $.workers, $.limit, $.when, $.reset, $.rows, $.growth,
        $.abort, $.iterate, $.protocol, $.worker, $.mode, $.trace, $.guard, $.guard_sample, $.watch, $.allow, $.probe,
        $.workload, $.expect,
      ),
    _session_clause: ($) => choice($.set, $.setup, $.teardown, $.watch, $.allow, $.copies, $.step),
    _permutation_clause: ($) => choice($.timeout, $.expect, $.repeat),

    // Header

    include: ($) => seq('include', $.string),
    title: ($) => seq('title', $.string),
    extension: ($) =>
      seq('extension', field('name', $._name), repeat(choice(seq('version', $.string), seq('from', $.string), 'cascade'))),
    preload: ($) => seq('preload', optional('first'), list($._library)),
    target: ($) => seq('target', list($._library)),
    requires: ($) => seq('requires', list($.condition)),
    skip: ($) => seq('skip', optional($._if), $.string),
    xfail: ($) => seq('xfail', optional($._if), $.string),
    tags: ($) => seq('tags', list($._name)),
    timeout: ($) => seq('timeout', $.number),
    retries: ($) => seq('retries', $.number),
    set: ($) =>
      seq('set', field('parameter', $.parameter), choice('=', 'to'), list(choice($.reference, $._value)), optional(';')),
    conf: ($) => seq('conf', alias($.conf_block, $.block)),
    var: ($) => seq('var', field('name', $.word), '=', $._value),
    matrix: ($) => seq('matrix', field('name', $.word), 'in', '(', list($._value), ')'),
    golden: ($) => seq('golden', field('policy', $.word)),
    normalize: ($) => seq('normalize', field('regex', $.string), '=>', $.string),

    // Conditions

    _if: ($) => seq('when', $.condition),
    condition: ($) => seq(optional('not'), choice($._needs, $.comparison)),
    _needs: ($) =>
      choice(seq('feature', $._name), seq('extension', $._name), seq('scenario', field('kind', $.word))),
    comparison: ($) => seq(field('subject', $._name), $.operator, $._value),

    // Fixtures

    setup: ($) => seq('setup', $.block),
    teardown: ($) => seq('teardown', $.block),

    // Scenarios

    iterations: ($) => seq('iterations', $.number),
    warmup: ($) => seq('warmup', $.number),
    workers: ($) => seq('workers', $.number),
    limit: ($) => seq('limit', $.number),
    when: ($) => seq('when', $.condition),
    reset: ($) => seq('reset', 'every', $.number),
    rows: ($) => seq('rows', 'in', '(', list($.number), ')'),
    growth: ($) => seq('growth', $.word),
    abort: ($) => seq('abort', $.word),
    iterate: ($) => seq('iterate', $.word),
    protocol: ($) => seq('protocol', $.word),
    worker: ($) => seq('worker', $.string, 'for', $.number),
    mode: ($) => seq('mode', $.word),
    trace: ($) => seq('trace', $.word),
    guard: ($) => seq('guard', $.word),
    guard_sample: ($) => seq('guard_sample', $.number),
    watch: ($) => seq('watch', list($.string)),
    allow: ($) =>
      prec.right(
        seq(
          'allow',
          optional(choice(list($.string), seq(field('check', $.word), optional(list($.string))))),
          repeat(choice($._in, $._from, $._at)),
          repeat(choice(seq('because', $.string), seq('until', $.date))),
          optional($._if),
        ),
      ),
    probe: ($) => seq('probe', $.string, 'size', $.number),
    workload: ($) => seq('workload', choice($._file, seq(optional(field('name', $._name)), choice($.block, $._file)))),
    _file: ($) => seq('file', $.string),

    // Expectations

    expect: ($) => prec.right(seq('expect', choice('none', $.absence, seq('error', $.string), $.violation), optional($._if))),
    absence: ($) => seq('no', field('check', $.word), optional($._in)),
    violation: ($) =>
      prec.right(
        seq(
          field('check', $.word),
          optional(choice(seq($.operator, $.severity), $.severity)),
          repeat(
            choice(
              $._in,
              seq('by', $._name),
              seq('bytes', $._range, optional(seq('per', choice('iteration', 'row')))),
              seq('shape', $.word),
              seq('count', $._range),
              $._from,
              $._at,
              seq('on', $.word),
              seq('detail', 'like', $.string),
            ),
          ),
        ),
      ),
    severity: (_) => choice('info', 'warning', 'error'),
    _in: ($) => seq('in', list($.string)),
    _from: ($) => seq('from', $.string),
    _at: ($) => seq('at', $.string),
    _range: ($) =>
      choice(
        seq('about', $.number, optional(seq('within', $.percentage))),
        seq($.number, '..', $.number),
        seq($.operator, $.number),
        $.number,
      ),

    // Sessions and permutations

    copies: ($) => seq('copies', $.number),
    step: ($) => seq('step', field('name', $._name), $.block),
    repeat: ($) => seq('repeat', $.number),
    launch: ($) => seq(field('step', choice($._name, alias(choice('repeat', 'timeout'), $.word))), optional(seq('(', list($.marker), ')'))),
    marker: ($) => choice('*', seq($._name, optional(seq('notices', $.number)))),

    // Values

    // The word of a clause may be the name of a scenario where no such clause follows.
    _scenario_name: ($) => choice($._name, alias(choice(...CLAUSES), $.word)),

    block: ($) =>
      choice(
        seq('{', optional($.sql), '}'),
        seq(alias($._dollar_open, '$$'), optional($.sql), alias($._dollar_close, '$$')),
      ),
    conf_block: ($) =>
      choice(
        seq('{', optional($.conf_lines), '}'),
        seq(alias($._dollar_open, '$$'), optional(alias($.sql, $.conf_lines)), alias($._dollar_close, '$$')),
      ),

    _name: ($) => choice($.word, $.quoted_name),
    _library: ($) => choice($.word, $.quoted_name, $.file_name, $.string),
    _value: ($) => choice($.string, $.quoted_name, $.word, $.number, $.bare),

    word: (_) => /[A-Za-z_\u{80}-\u{10FFFF}][A-Za-z0-9_$\u{80}-\u{10FFFF}]*/u,
    parameter: ($) => seq($.word, repeat(seq(token.immediate('.'), alias(token.immediate(/[A-Za-z0-9_$]+/), $.word)))),
    reference: (_) => token(seq(':', choice(/[A-Za-z_][A-Za-z0-9_$]*/, /'[A-Za-z_][A-Za-z0-9_$]*'/, /"[A-Za-z_][A-Za-z0-9_$]*"/))),
    number: (_) => /[0-9][A-Za-z0-9_$]*/,
    date: (_) => /[0-9][A-Za-z0-9_$\-]*/,
    percentage: (_) => /[0-9]+%/,
    // What is more than a word or a number.
    bare: (_) => /[A-Za-z0-9_$]*[.\-+][A-Za-z0-9_$.\-+]*/,
    file_name: (_) => /[A-Za-z_$]*[A-Za-z0-9_$]*[.\-+\/][A-Za-z0-9_$.\-+\/]*/,
    string: (_) => /'([^'\n]|'')*'/,
    quoted_name: (_) => /"([^"\n]|"")+"/,
    operator: (_) => choice('<=', '>=', '<>', '!=', '=', '<', '>'),
  },
});
