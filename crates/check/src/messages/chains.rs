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

pub fn forward_steps(span: Span, name: &str, variable: &str, from: i64) -> Diagnostic {
    let help = if from > 0 {
        format!("it starts at `{name}[0]`, so its loop starts at 0 too: leave out `from {from}`")
    } else {
        format!(
            "from a start `{name}[0]`, say what holds one position on: `{name}[{variable}+1]` from `{name}[{variable}]`"
        )
    };
    error("E0431", "a recurrence written forward goes one position on, from a start at 0", span, "not that").help(help)
}

pub fn no_start(name: &str, span: Span, variable: &str) -> Diagnostic {
    error("E0432", format!("`{name}` is written forward, and nothing says how it starts"), span, "goes on from what?")
        .help(format!(
            "say so before the loop, `{name}[0]`; or write it backward, `{name}[{variable}]` from `{name}[{variable}-1]`"
        ))
}

pub fn start_of_backward(name: &str, start: Span, on: Span) -> Diagnostic {
    error("E0433", format!("`{name}` is written forward and backward"), on, "of the position itself")
        .and(start, "starts here, as one that is written forward")
        .help(format!(
            "write `{name}[t+1]` from `{name}[t]` inside; or leave out the start, and write `if t == 0 then … else …`"
        ))
}

pub fn start_alone(name: &str, start: Span) -> Diagnostic {
    error("E0433", format!("nothing goes on from `{name}[0]`"), start, "starts here").help(format!(
        "inside a loop, say what holds one position on: `{name}[t+1]` from `{name}[t]`; an axis has at least one position"
    ))
}

pub fn axes_of_start(name: &str, start: Span, given: &str, have: &str, on: Span) -> Diagnostic {
    error(
        "E0434",
        format!("the start of `{name}` has other axes than what goes on from it"),
        start,
        format!("has {given}"),
    )
    .and(on, format!("has {have} besides the position"))
    .help("write the same axes behind the position")
}

pub fn type_of_start(name: &str, span: Span, on: Span) -> Diagnostic {
    error("E0434", format!("the start of `{name}` says what belongs to all its positions"), span, "of the start alone?")
        .and(on, "goes on here")
        .help("say it where the recurrence goes on")
}

pub fn family_of_start(name: &str, span: Span, start: &str, on: &str) -> Diagnostic {
    error("E0435", format!("`{name}` starts from `{start}` and goes on by `{on}`"), span, format!("`{start}`"))
        .help(format!("one latent has one family: start it from `{on}` too"))
}

pub fn guide_of_start(name: &str, span: Span) -> Diagnostic {
    error("E0436", format!("nothing goes on from the guide of `{name}[0]`"), span, "guides the start alone")
        .help(format!("inside the loop, say what guides the others: `guide {name}[t+1] ~ …`"))
}

pub fn guide_without_start(name: &str, span: Span) -> Diagnostic {
    error("E0436", format!("the guide of `{name}` is written forward, and nothing guides its start"), span, "goes on")
        .help(format!("say so before the loop: `guide {name}[0] ~ …`"))
}

pub fn guide_of_other_style(name: &str, span: Span, declared: Span, variable: &str) -> Diagnostic {
    error("E0437", format!("`{name}` has no position of this loop to guide"), span, "guided here")
        .and(declared, "declared here")
        .help(format!(
            "guide it in the same loop, and as it is declared: `{name}[{variable}+1]` where it is written forward, else `{name}[{variable}]`"
        ))
}
