//! E0244 to E0251: layers of pictures, and shapes.

use fe_syntax::{Diagnostic, Span};

use super::error;

pub fn not_a_picture(layer: &str, at: Span, value: Span, have: &str) -> Diagnostic {
    let have = if have.is_empty() { "a single number".to_owned() } else { format!("has [{have}]") };
    error("E0244", format!("`{layer}` goes over a picture: channels, height and width"), value, have)
        .and(at, "the layer")
        .help(format!("name the three axes before it, as in `x |> as[1, 28, 28] |> {layer}…`"))
}

pub fn picture_over_rows(layer: &str, at: Span, value: Span, row: &str) -> Diagnostic {
    let message = format!("`{layer}` goes over channels, height and width, and never over the rows");
    error("E0245", message, value, format!("one of its last three axes is `{row}`, the rows"))
        .and(at, "the layer")
        .help("give each row three axes of its own: of grey pictures the channels are 1, as in `x |> as[1, 28, 28]`")
}

pub fn kernel_too_large(layer: &str, kernel: usize, at: Span, (axis, size): (&str, usize), value: Span) -> Diagnostic {
    error("E0246", format!("the kernel of `{layer}` is larger than the picture"), at, format!("{kernel}"))
        .and(value, side(axis, size, "of the picture"))
        .help(format!("take a kernel of at most {size}"))
}

pub fn stride_does_not_divide(
    layer: &str,
    stride: usize,
    at: Span,
    (axis, size): (&str, usize),
    value: Span,
) -> Diagnostic {
    let divisors: Vec<String> = (1..=size.min(8)).filter(|n| size.is_multiple_of(*n)).map(|n| n.to_string()).collect();
    error("E0247", format!("`{layer}` cannot cut a side of {size} in pieces of {stride}"), at, format!("{stride}"))
        .and(value, side(axis, size, "of the picture"))
        .help(format!("{size} is divided by {}", divisors.join(", ")))
}

pub fn groups_do_not_divide(groups: usize, at: Span, (axis, size): (&str, usize), value: Span) -> Diagnostic {
    error("E0248", format!("{size} channels do not make {groups} groups of one size"), at, format!("{groups} groups"))
        .and(value, side(axis, size, "of the channels"))
        .help("the number of groups divides the number of channels; `norm(1)` takes all of them together")
}

pub fn other_count(at: Span, wanted: usize, value: Span, have: &str) -> Diagnostic {
    error("E0249", "the axes named by `as` hold another number of elements", at, format!("{wanted} elements"))
        .and(value, format!("has [{have}]"))
        .help("the sizes behind `as` multiply to that of the last axes of the value; the rows stay as they are")
}

pub fn dropout_share(p: f64, at: Span) -> Diagnostic {
    error("E0251", format!("`dropout` leaves out a share from 0 to below 1, and not {p}"), at, "the share left out")
        .help("write `dropout(0.1)` for a tenth")
}

pub fn repeat_of_value(at: Span) -> Diagnostic {
    error("E0250", "`repeat` takes the name of a function", at, "not a name")
        .help("write `fn block(h) = h |> …`, and `h |> repeat(8, block)`")
}

fn side(axis: &str, size: usize, of: &str) -> String {
    let size = if axis.starts_with(&size.to_string()) { String::new() } else { format!(" = {size}") };
    format!("the axis `{axis}`{size} {of}")
}
