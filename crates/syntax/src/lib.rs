//! Text to syntax tree: lexer, parser, formatter, spans, diagnostics as plain data.
