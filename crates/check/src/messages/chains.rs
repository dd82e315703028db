//! E0240 to E0249: loops.

use fe_syntax::{Diagnostic, Span};

use super::error;

pub fn loop_is_empty(span: Span, from: usize, axis: &str, extent: usize) -> Diagnostic {
    error("E0240", format!("axis `{axis}` has no position {from} to start from"), span, "no step is left")
        .help(format!("it has the positions 0 to {}", extent.saturating_sub(1)))
}

pub fn time_outside(
    span: Span,
    variable: &str,
    offset: i64,
    reaches: i64,
    first: usize,
    last: i64,
    axis: &str,
) -> Diagnostic {
    let sign = if offset < 0 { "-" } else { "+" };
    let written = if offset == 0 { variable.to_owned() } else { format!("{variable}{sign}{}", offset.abs()) };
    let message = format!("`{written}` leaves axis `{axis}`, whose positions here are {first} to {last}");
    let help = if offset < 0 {
        format!(
            "begin the loop later, as in `for {variable} in {axis} from {}`, or say what holds at the first steps: `if {variable} == {first} then … else …`",
            -offset
        )
    } else {
        format!("read backward, from `{variable}-{offset}`, or declare the axis longer")
    };
    error("E0241", message, span, format!("it reaches {reaches}")).help(help)
}

pub fn lag_of_a_local(name: &str, span: Span, variable: &str) -> Diagnostic {
    error("E0242", format!("`{name}` reads its own past, and is local to a step"), span, "not declared over the loop")
        .help(format!("write `let {name}[{variable}] = …`, so that it is an array over the loop"))
}

pub fn mixes_positions(span: Span, variable: &str) -> Diagnostic {
    error("E0243", "a step of a recurrence reads other positions than those before it", span, "here")
        .help(format!("read `[{variable}-1]` and the like; sums over the whole axis belong outside of the loop"))
}
