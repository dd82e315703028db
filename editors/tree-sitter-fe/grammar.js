/**
 * The language of Free Energy programs, for editors. What is refused beyond its syntax is said by `fe lsp`.
 * The reference is grammar/fe.lalrpop; tests/editors/run parses every program of the repository by this one.
 */

const comma = (rule) => seq(rule, repeat(seq(",", rule)));

module.exports = grammar({
  name: "fe",
  word: ($) => $.identifier,
  extras: ($) => [/[\s\u00a0\ufeff]/, $.comment],
  conflicts: ($) => [],

  rules: {
    program: ($) => repeat($._statement),

    _statement: ($) =>
      choice(
        $.model, $.dim, $.const, $.data, $.param, $.let, $.latent, $.guide, $.observe, $.loss, $.meter, $.price, $.for,
        $.refine, $.minimize, $.train, $.show, $.fn,
      ),

    model: ($) => seq("model", field("name", $.identifier), optional(field("title", $.string))),
    dim: ($) => seq("dim", field("name", $.identifier), "=", field("size", $._expression)),
    const: ($) => seq("const", field("name", $.identifier), "=", field("value", $._expression)),
    data: ($) => seq("data", $._declaration),
    param: ($) => seq("param", $._declaration),
    let: ($) => seq("let", $._declaration),
    latent: ($) =>
      seq("latent", field("target", $.target), optional($.type), "~", field("prior", $._expression), optional($.by)),
    guide: ($) =>
      seq(
        "guide",
        choice(comma(field("target", $.target)), field("all", "*")),
        choice(seq("~", field("guide", $._expression), optional($.by)), seq("=", field("method", $._method))),
      ),
    observe: ($) => seq("observe", field("target", $.target), "~", field("distribution", $._expression)),
    loss: ($) =>
      seq("loss", field("name", $.identifier), optional(seq("[", comma($.axis), "]")), "=", field("value", $._expression)),
    meter: ($) => seq("meter", field("name", $.identifier)),
    price: ($) =>
      prec.right(
        seq("price", field("name", $.identifier), "=", field("value", $._expression), optional(field("unit", $.identifier))),
      ),
    for: ($) =>
      seq(
        "for", field("variable", $.identifier), "in", field("axis", $.axis), optional(seq("from", $._expression)), "{",
        repeat($._statement), "}",
      ),
    refine: ($) =>
      seq(
        "refine", field("target", $.target), "from", $._expression, "over", $._expression, "steps",
        optional(seq("by", $._method)),
      ),
    minimize: ($) =>
      prec.right(seq("minimize", $._expression, optional(seq("subject", "to", comma($._expression))))),
    train: ($) => seq("train", "{", repeat($.entry), "}"),
    entry: ($) => seq(field("key", $.identifier), "=", optional("where"), field("value", $._expression)),
    show: ($) =>
      prec.right(
        seq("show", $._expression, "as", field("style", $.identifier), optional(seq("[", comma($._expression), "]"))),
      ),
    fn: ($) =>
      seq("fn", field("name", $.identifier), "(", optional(comma($.identifier)), ")", "=", field("body", $._expression)),

    _declaration: ($) => seq(field("target", $.target), optional($.type), "=", field("value", $._expression)),
    target: ($) => seq(field("name", $.identifier), optional(seq("[", comma($._expression), "]"))),
    type: ($) =>
      seq(":", field("name", $.identifier), optional(seq("(", comma($._expression), ")")), optional(field("missing", "?"))),
    by: ($) => seq("by", field("estimator", choice($.identifier, "guide"))),
    axis: ($) => seq(choice($.identifier, $.number), repeat("'")),
    _method: ($) => choice($.identifier, $.call),

    _expression: ($) => choice($.conditional, $.pipe, $.binary, $.unary, $._operand),
    conditional: ($) =>
      prec.right(
        1,
        seq("if", field("condition", $._expression), "then", field("then", $._expression), "else", field("else", $._expression)),
      ),
    pipe: ($) => prec.left(2, seq($._expression, "|>", $._expression)),
    binary: ($) =>
      choice(
        prec.left(3, seq($._expression, "or", $._expression)),
        prec.left(4, seq($._expression, "and", $._expression)),
        prec.left(6, seq($._expression, choice("==", "!=", "<", "<=", ">", ">="), $._expression)),
        prec.left(7, seq($._expression, choice("+", "-"), $._expression)),
        prec.left(8, seq($._expression, choice("*", "/", "@"), $._expression)),
        prec.right(10, seq($._expression, "^", $._expression)),
      ),
    unary: ($) => choice(prec(5, seq("not", $._expression)), prec(9, seq("-", $._expression))),
    _operand: ($) =>
      choice($.index, $.call, $.primed, $.identifier, $.quantity, $.string, $.list, $.parenthesised),

    index: ($) => prec(12, seq($._operand, "[", comma($._expression), "]")),
    call: ($) => prec(12, seq(field("function", $.identifier), "(", optional(comma($._argument)), ")")),
    _argument: ($) => choice($.named, $.all_but, $._expression),
    named: ($) => seq(field("name", $.identifier), "=", field("value", $._expression)),
    all_but: ($) => seq("all", "but", $.string),
    primed: ($) => prec(13, seq(choice($.identifier, $.number), repeat1("'"))),
    quantity: ($) => prec.right(seq($.number, optional($.unit))),
    unit: (_) => choice("nats", "nat", "bits", "bit", "spikes", "spike", "%"),
    list: ($) => seq("[", comma($._expression), "]"),
    parenthesised: ($) => seq("(", $._expression, ")"),

    identifier: (_) => /[\p{XID_Start}_][\p{XID_Continue}]*/u,
    number: (_) => /([0-9](_?[0-9])*(\.([0-9](_?[0-9])*)?)?|\.[0-9](_?[0-9])*)([eE][+-]?[0-9]+)?/,
    string: (_) => /"[^"\n]*"/,
    comment: (_) => token(/#[^\n]*/),
  },
});
